// What an operator may set: the result of reading brevdue.toml, one member a setting.
//
// The names are those of the file ("queue.iouring.segment_size" is queue.iouring.segment_size); the
// table in settings.h says what each means, its default and range, and everything here is within
// that range. Sizes are bytes. Addresses are text that was checked; address.h takes it apart.
// Plain values: the daemon turns them into the Options of each module.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace brevdue::config {

using std::chrono::milliseconds;

enum class Backend : std::uint8_t { iouring, lmdb, maildir, mirror };
enum class MaildirSync : std::uint8_t { automatic, fsync, syncfs };
enum class AddressPreference : std::uint8_t { ipv6_first, ipv4_first, ipv6_only, ipv4_only };

struct IouringConfig {
  std::uint64_t segment_size;
  std::uint32_t segments_spare;
  bool operator==(const IouringConfig&) const = default;
};

struct LmdbConfig {
  std::uint64_t map_size;
  std::uint64_t growth_step;
  bool operator==(const LmdbConfig&) const = default;
};

struct MaildirConfig {
  MaildirSync sync;
  bool operator==(const MaildirConfig&) const = default;
};

struct MirrorConfig {
  Backend backend;                 // of both sides; never mirror
  std::vector<std::string> paths;  // two, if queue.backend is mirror
  milliseconds stall_max;
  std::uint64_t resync_rate;  // bytes a second; 0: no bound
  bool operator==(const MirrorConfig&) const = default;
};

struct QueueConfig {
  Backend backend;
  std::string path;  // not used by a mirror
  std::uint64_t reserve;
  std::uint64_t memory_for_content;
  std::uint64_t content_cache;
  std::uint64_t message_cache;
  std::uint64_t batch_bytes_max;
  std::uint32_t batch_count_max;
  IouringConfig iouring;
  LmdbConfig lmdb;
  MaildirConfig maildir;
  MirrorConfig mirror;
  bool operator==(const QueueConfig&) const = default;
};

struct ControlConfig {
  std::string socket;
  bool operator==(const ControlConfig&) const = default;
};

struct UserConfig {
  std::string qmgr;
  std::string smtpd;
  std::string delivery;
  bool operator==(const UserConfig&) const = default;
};

struct SmtpdConfig {
  std::uint32_t processes;  // at least 1: 0 in the file was replaced
  std::uint64_t message_size_limit;
  std::uint32_t recipients_max;
  std::uint32_t sessions_max;
  std::uint32_t sessions_per_client_max;
  std::uint32_t error_limit;
  std::uint32_t junk_command_limit;
  milliseconds timeout;
  milliseconds content_timeout;
  bool operator==(const SmtpdConfig&) const = default;
};

struct DeliveryConfig {
  std::uint32_t processes;  // at least 1: 0 in the file was replaced
  std::string relay_host;   // empty: look up MX
  std::uint16_t port;
  std::string helo_name;  // never empty
  milliseconds connect_timeout;
  milliseconds greeting_timeout;
  milliseconds command_timeout;
  milliseconds data_timeout;
  milliseconds connection_idle;
  std::uint32_t messages_per_connection_max;  // 0: no bound
  std::uint32_t connections_max;
  std::uint16_t concurrency_initial;
  std::uint16_t concurrency_max;
  bool operator==(const DeliveryConfig&) const = default;
};

struct RetryConfig {
  milliseconds delay_min;
  milliseconds delay_max;
  double jitter;
  milliseconds delay_notice_after;  // 0: never
  milliseconds expire_after;
  milliseconds bounce_expire_after;
  bool operator==(const RetryConfig&) const = default;
};

struct DnsConfig {
  std::vector<std::string> servers;  // empty: those of resolv.conf
  milliseconds timeout;
  std::uint32_t tries;
  AddressPreference addresses;
  bool operator==(const DnsConfig&) const = default;
};

struct LogConfig {
  std::string target;  // "stderr", "syslog" or an absolute path
  std::string ident;
  bool operator==(const LogConfig&) const = default;
};

struct Listener {
  std::string address;  // "192.0.2.1:25" or "[2001:db8::1]:25"; port 0 lets the kernel choose
  bool operator==(const Listener&) const = default;
};

struct Config {
  std::string hostname;  // never empty
  std::vector<std::string> mynetworks;
  QueueConfig queue;
  ControlConfig control;
  UserConfig user;
  SmtpdConfig smtpd;
  DeliveryConfig delivery;
  RetryConfig retry;
  DnsConfig dns;
  LogConfig log;
  std::vector<Listener> listen;  // at least one
  bool operator==(const Config&) const = default;
};

}  // namespace brevdue::config
