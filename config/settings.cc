#include "config/settings.h"

#include <algorithm>
#include <limits>

#include "config/address.h"
#include "config/checks.h"

namespace brevdue::config {

namespace {

template <auto Member, auto... Rest, class Owner>
auto& member_of(Owner& owner) {
  if constexpr (sizeof...(Rest) == 0) {
    return owner.*Member;
  } else {
    return member_of<Rest...>(owner.*Member);
  }
}

template <auto... Path>
Value get(const Config& config) {
  const auto& member = member_of<Path...>(config);
  using Member = std::remove_cvref_t<decltype(member)>;
  if constexpr (std::is_same_v<Member, milliseconds>) {
    return static_cast<std::uint64_t>(member.count());
  } else if constexpr (std::is_enum_v<Member> || std::is_unsigned_v<Member>) {
    return static_cast<std::uint64_t>(member);
  } else {
    return member;
  }
}

template <auto... Path>
void set(Config& config, const Value& value) {
  auto& member = member_of<Path...>(config);
  using Member = std::remove_cvref_t<decltype(member)>;
  if constexpr (std::is_same_v<Member, milliseconds>) {
    member = milliseconds(static_cast<std::int64_t>(std::get<std::uint64_t>(value)));
  } else if constexpr (std::is_enum_v<Member> || std::is_unsigned_v<Member>) {
    member = static_cast<Member>(std::get<std::uint64_t>(value));
  } else {
    member = std::get<Member>(value);
  }
}

Value get_listeners(const Config& config) {
  std::vector<std::string> addresses;
  for (const Listener& listener : config.listen) addresses.push_back(listener.address);
  return addresses;
}

void set_listeners(Config& config, const Value& value) {
  config.listen.clear();
  for (const std::string& address : std::get<std::vector<std::string>>(value)) {
    config.listen.push_back({address});
  }
}

struct Range {
  std::uint64_t min;
  std::uint64_t max;
  std::uint64_t multiple_of = 1;
};

template <auto... Path>
constexpr Setting text(std::string_view key, std::string_view by_default, Check check,
                       std::string_view documentation) {
  return {.key = key,
          .kind = Kind::text,
          .default_text = by_default,
          .documentation = documentation,
          .get = get<Path...>,
          .set = set<Path...>,
          .check = check};
}

template <auto... Path>
constexpr Setting texts(std::string_view key, std::string_view by_default, Check check,
                        std::string_view documentation) {
  Setting setting = text<Path...>(key, by_default, check, documentation);
  setting.kind = Kind::texts;
  return setting;
}

template <auto... Path>
constexpr Setting number(Kind kind, std::string_view key, std::string_view by_default, Range range,
                         std::string_view documentation) {
  return {.key = key,
          .kind = kind,
          .default_text = by_default,
          .documentation = documentation,
          .get = get<Path...>,
          .set = set<Path...>,
          .min = range.min,
          .max = range.max,
          .multiple_of = range.multiple_of};
}

template <auto... Path>
constexpr Setting choice(std::string_view key, std::string_view by_default,
                         std::span<const std::string_view> choices,
                         std::string_view documentation) {
  return {.key = key,
          .kind = Kind::choice,
          .default_text = by_default,
          .documentation = documentation,
          .get = get<Path...>,
          .set = set<Path...>,
          .choices = choices};
}

constexpr std::uint64_t KiB = 1024;
constexpr std::uint64_t MiB = 1024 * KiB;
constexpr std::uint64_t GiB = 1024 * MiB;
constexpr std::uint64_t TiB = 1024 * GiB;
constexpr std::uint64_t second = 1000;
constexpr std::uint64_t minute = 60 * second;
constexpr std::uint64_t hour = 60 * minute;
constexpr std::uint64_t day = 24 * hour;

// In the order of the enumerations in config.h.
constexpr std::string_view backends[] = {"iouring", "lmdb", "maildir", "mirror"};
constexpr std::span<const std::string_view> backends_of_sides(backends, 3);
constexpr std::string_view maildir_syncs[] = {"auto", "fsync", "syncfs"};
constexpr std::string_view address_preferences[] = {"ipv6_first", "ipv4_first", "ipv6_only",
                                                    "ipv4_only"};

using C = Config;
using Q = QueueConfig;
using S = SmtpdConfig;
using D = DeliveryConfig;
using R = RetryConfig;

// clang-format off
const Setting table[] = {
    text<&C::hostname>("hostname", R"("")", check_hostname_or_empty,
        "The name this host greets with, puts into Received fields and reports deliveries under. "
        "Empty: the machine's own name."),
    texts<&C::mynetworks>("mynetworks", R"(["127.0.0.0/8", "::1/128"])", check_network,
        "The clients that may relay mail to anywhere. All others are refused at RCPT."),

    choice<&C::queue, &Q::backend>("queue.backend", R"("iouring")", backends,
        "How the queue is stored: an append-only log, an LMDB database, one file a message, or, "
        "with mirror, by one of these on two disks at once. A spool keeps the backend it was made "
        "with."),
    text<&C::queue, &Q::path>("queue.path", R"("/var/spool/brevdue")", check_path,
        "The directory of the spool. Best a file system of its own, on a disk whose cache "
        "obeys flushes. A mirror has queue.mirror.paths in its place."),
    number<&C::queue, &Q::reserve>(Kind::size, "queue.reserve", R"("64MiB")", {0, TiB},
        "Free space that no message may use, kept for recording results of deliveries. With less "
        "than this free, clients are told 452 before they send content."),
    number<&C::queue, &Q::memory_for_content>(Kind::size, "queue.memory_for_content", R"("256MiB")",
        {4 * MiB, TiB},
        "Memory for message content on its way to the disk: 128 KiB for each message, whatever its "
        "size. When it is used up, clients wait, and are told 452 after five seconds."),
    number<&C::queue, &Q::content_cache>(Kind::size, "queue.content_cache", R"("64MiB")", {0, TiB},
        "Memory for content just accepted, so that what is relayed at once is not read back from "
        "the disk."),
    number<&C::queue, &Q::message_cache>(Kind::size, "queue.message_cache", R"("32MiB")", {0, TiB},
        "Memory for envelopes and replies of queued messages, the most recently used. What does "
        "not fit is read from the disk when it is tried again or listed."),
    number<&C::queue, &Q::batch_bytes_max>(Kind::size, "queue.batch_bytes_max", R"("1000KiB")",
        {256 * KiB, 8 * MiB},
        "The most that is written with one sync. The default stays under the mebibyte that a "
        "device takes in one request."),
    number<&C::queue, &Q::batch_count_max>(Kind::count, "queue.batch_count_max", "1024", {1, 65536},
        "The most changes (messages accepted, settled or removed) that are written with one "
        "sync."),
    number<&C::queue, &Q::iouring, &IouringConfig::segment_size>(Kind::size,
        "queue.iouring.segment_size", R"("64MiB")", {16 * MiB, GiB, 4 * KiB},
        "Size of the log's files. Space is given back, and reused, by whole files."),
    number<&C::queue, &Q::iouring, &IouringConfig::segments_spare>(Kind::count,
        "queue.iouring.segments_spare", "2", {2, 16},
        "Files of the log that are kept written ahead, so that accepting mail never waits for a "
        "new one."),
    number<&C::queue, &Q::lmdb, &LmdbConfig::map_size>(Kind::size, "queue.lmdb.map_size",
        R"("1TiB")", {64 * MiB, 64 * TiB, 4 * KiB},
        "Address space for the database: the most it can ever hold. It takes neither memory nor "
        "disk space."),
    number<&C::queue, &Q::lmdb, &LmdbConfig::growth_step>(Kind::size, "queue.lmdb.growth_step",
        R"("64MiB")", {MiB, 4 * GiB, 4 * KiB},
        "How much of the database file is written ahead at a time, so that a full disk shows "
        "before a message is accepted. Also how much of the content in it may be of messages "
        "that are gone before what is left is moved together."),
    choice<&C::queue, &Q::maildir, &MaildirConfig::sync>("queue.maildir.sync", R"("auto")",
        maildir_syncs,
        "How a batch of files is made durable: each by fsync, or all by one syncfs, which also "
        "writes what others have on the same file system. auto: by what is best on the file system "
        "of the spool (ext4, btrfs: fsync for one or two changes, syncfs for more; xfs and others: "
        "syncfs for two and more; FUSE and network file systems: always fsync). syncfs is refused "
        "at start where it does not work or promises nothing."),
    choice<&C::queue, &Q::mirror, &MirrorConfig::backend>("queue.mirror.backend", R"("iouring")",
        backends_of_sides,
        "How each of the two sides of a mirror is stored."),
    texts<&C::queue, &Q::mirror, &MirrorConfig::paths>("queue.mirror.paths", "[]", check_path,
        "The two spool directories of a mirror, each on a disk of its own. What is accepted is on "
        "both before the client gets its 250. One that fails is left, and mail goes on with the "
        "other; 'brevdue queue mirror' shows and mends that."),
    number<&C::queue, &Q::mirror, &MirrorConfig::stall_max>(Kind::duration,
        "queue.mirror.stall_max", R"("10s")", {100, hour},
        "How much longer than the other a side of a mirror may take to write before it is left. "
        "Clients wait as long."),
    number<&C::queue, &Q::mirror, &MirrorConfig::resync_rate>(Kind::size,
        "queue.mirror.resync_rate", R"("50MiB")", {0, TiB},
        "The most that is copied in a second to a side that is written anew, so that mail goes on "
        "beside it. 0: as much as the disks can."),

    text<&C::control, &ControlConfig::socket>("control.socket", R"("/run/brevdue/control")",
        check_socket_path,
        "The Unix socket where 'brevdue queue' speaks to the queue manager."),

    text<&C::user, &UserConfig::qmgr>("user.qmgr", R"("brevdue")", check_user,
        "The account of the queue manager, which owns the spool. Used when started as root."),
    text<&C::user, &UserConfig::smtpd>("user.smtpd", R"("brevdue-smtpd")", check_user,
        "The account of the processes that talk to clients. Used when started as root."),
    text<&C::user, &UserConfig::delivery>("user.delivery", R"("brevdue-delivery")", check_user,
        "The account of the processes that relay mail. Used when started as root."),

    number<&C::smtpd, &S::processes>(Kind::count, "smtpd.processes", "0", {0, 64},
        "Processes that receive mail. 0: one for every two cores, at least one."),
    number<&C::smtpd, &S::message_size_limit>(Kind::size, "smtpd.message_size_limit", R"("50MiB")",
        {64 * KiB, 4 * GiB},
        "The largest message accepted, announced as SIZE (RFC 1870)."),
    number<&C::smtpd, &S::recipients_max>(Kind::count, "smtpd.recipients_max", "1000",
        {100, 50'000},
        "Recipients of one message; those above are answered 452 and sent by the client in a "
        "further transaction. RFC 5321 asks for 100 at least."),
    number<&C::smtpd, &S::sessions_max>(Kind::count, "smtpd.sessions_max", "2000", {1, 100'000},
        "Sessions of one process. Further clients are told 421."),
    number<&C::smtpd, &S::sessions_per_client_max>(Kind::count, "smtpd.sessions_per_client_max",
        "200", {1, 100'000},
        "Sessions of one client address with one process."),
    number<&C::smtpd, &S::error_limit>(Kind::count, "smtpd.error_limit", "20", {1, 1'000'000},
        "Commands answered with 5xx before a session is ended with 421."),
    number<&C::smtpd, &S::junk_command_limit>(Kind::count, "smtpd.junk_command_limit", "100",
        {1, 1'000'000},
        "Commands that bring no mail forward (NOOP, RSET, VRFY, HELP, EHLO, HELO) between two "
        "messages; each beyond counts as an error."),
    number<&C::smtpd, &S::timeout>(Kind::duration, "smtpd.timeout", R"("5m")", {second, day},
        "How long a client may take for its next command (RFC 5321 4.5.3.2.7)."),
    number<&C::smtpd, &S::content_timeout>(Kind::duration, "smtpd.content_timeout", R"("5m")",
        {second, day},
        "How long a client may pause while it sends content. One that sends less than 500 bytes a "
        "second is cut off as well."),

    number<&C::delivery, &D::processes>(Kind::count, "delivery.processes", "0", {0, 64},
        "Processes that relay mail. 0: one for every two cores, at least one."),
    text<&C::delivery, &D::relay_host>("delivery.relay_host", R"("")", check_relay_host,
        "The host that takes all mail: \"host\", \"host:port\" or \"[2001:db8::1]:port\"; its MX "
        "is not looked up. Empty: each domain's own mail exchangers."),
    number<&C::delivery, &D::port>(Kind::count, "delivery.port", "25", {1, 65535},
        "The port of next hops that name none."),
    text<&C::delivery, &D::helo_name>("delivery.helo_name", R"("")", check_hostname_or_empty,
        "The name given in EHLO. Empty: hostname."),
    number<&C::delivery, &D::connect_timeout>(Kind::duration, "delivery.connect_timeout",
        R"("30s")", {100, hour},
        "How long one connection attempt may take."),
    number<&C::delivery, &D::greeting_timeout>(Kind::duration, "delivery.greeting_timeout",
        R"("5m")", {second, hour},
        "How long the next hop may take for its greeting."),
    number<&C::delivery, &D::command_timeout>(Kind::duration, "delivery.command_timeout", R"("5m")",
        {second, hour},
        "How long the next hop may take to answer EHLO, MAIL or RCPT."),
    number<&C::delivery, &D::data_timeout>(Kind::duration, "delivery.data_timeout", R"("10m")",
        {second, day},
        "How long the next hop may take to read a part of the content, and to answer its end "
        "(RFC 5321 4.5.3.2.6)."),
    number<&C::delivery, &D::connection_idle>(Kind::duration, "delivery.connection_idle", R"("5s")",
        {0, 5 * minute},
        "How long a connection is kept for the next message to the same place. 0: not at all."),
    number<&C::delivery, &D::messages_per_connection_max>(Kind::count,
        "delivery.messages_per_connection_max", "0", {0, 1'000'000'000},
        "Messages sent over one connection. 0: no bound."),
    number<&C::delivery, &D::connections_max>(Kind::count, "delivery.connections_max", "500",
        {1, 50'000},
        "Connections of one delivery process, to all destinations together."),
    number<&C::delivery, &D::concurrency_initial>(Kind::count, "delivery.concurrency_initial", "5",
        {1, 1000},
        "Deliveries at once to a destination of which nothing is known yet."),
    number<&C::delivery, &D::concurrency_max>(Kind::count, "delivery.concurrency_max", "20",
        {1, 1000},
        "The most deliveries at once to one destination."),

    number<&C::retry, &R::delay_min>(Kind::duration, "retry.delay_min", R"("5m")",
        {second, 7 * day},
        "The pause after the first failed attempt. It doubles with each further one."),
    number<&C::retry, &R::delay_max>(Kind::duration, "retry.delay_max", R"("4000s")",
        {second, 7 * day},
        "The longest pause between two attempts."),
    number<&C::retry, &R::jitter>(Kind::ratio, "retry.jitter", "0.2", {0, 90},
        "The part of a pause that is left to chance, so that messages deferred together are not "
        "all tried again at once."),
    number<&C::retry, &R::delay_notice_after>(Kind::duration, "retry.delay_notice_after", R"("4h")",
        {0, 100 * day},
        "When the sender is told that a message is delayed. 0: never."),
    number<&C::retry, &R::expire_after>(Kind::duration, "retry.expire_after", R"("5d")",
        {second, 100 * day},
        "How long delivery is attempted before the message is returned (RFC 5321 4.5.4.1)."),
    number<&C::retry, &R::bounce_expire_after>(Kind::duration, "retry.bounce_expire_after",
        R"("5d")", {second, 100 * day},
        "The same for mail with the null reverse-path; it is dropped then, since nobody is to be "
        "told."),

    texts<&C::dns, &DnsConfig::servers>("dns.servers", "[]", check_dns_server,
        "Name servers to ask, \"192.0.2.53\" or with a port. Empty: those of /etc/resolv.conf."),
    number<&C::dns, &DnsConfig::timeout>(Kind::duration, "dns.timeout", R"("2s")", {50, 5 * minute},
        "How long one server may take for the first try; it doubles with each further one."),
    number<&C::dns, &DnsConfig::tries>(Kind::count, "dns.tries", "3", {1, 20},
        "How often each server is asked before the lookup fails temporarily."),
    choice<&C::dns, &DnsConfig::addresses>("dns.addresses", R"("ipv6_first")", address_preferences,
        "Which addresses of an exchange are asked for, and tried first."),

    text<&C::log, &LogConfig::target>("log.target", R"("stderr")", check_log_target,
        "Where log lines go: \"stderr\", \"syslog\", or the absolute path of a file."),
    text<&C::log, &LogConfig::ident>("log.ident", R"("brevdue")", check_log_ident,
        "The name before the slash in each log line. \"postfix\" is for tools that insist."),

    {.key = "listen.address", .kind = Kind::listeners, .default_text = R"(["127.0.0.1:25"])",
     .documentation =
        "Address and port to accept mail on, in one [[listen]] table each: \"192.0.2.1:25\", "
        "\"[::]:25\" for all of IPv6, \"0.0.0.0:25\" for all of IPv4. Port 0 lets the kernel "
        "choose one, which the log names.",
     .get = get_listeners, .set = set_listeners, .check = check_listen_address},
};
// clang-format on

}  // namespace

std::span<const Setting> settings() {
  return table;
}

const Setting* find_setting(std::string_view key) {
  const auto* found = std::ranges::find(table, key, &Setting::key);
  return found == std::end(table) ? nullptr : found;
}

std::string_view section_of(std::string_view key) {
  const auto dot = key.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : key.substr(0, dot);
}

bool is_section(std::string_view name) {
  return std::ranges::any_of(table, [&](const Setting& setting) {
    return setting.key.size() > name.size() && setting.key.starts_with(name) &&
           setting.key[name.size()] == '.';
  });
}

}  // namespace brevdue::config
