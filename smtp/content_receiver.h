// Takes one message's content from the client and brings it to the Reception: in one block if it is
// small, in staged chunks if it is large or was announced so.
//
// The block starts with our Received field and the facts count it. Each byte of the client is
// copied once, from the buffer it was read into to the block. A faulty, oversized or looping
// message is read to its true end and then refused; nothing of it is submitted. Pure; owned by one
// session. The owner calls abandon() if the transaction ends before finish().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/shared_bytes.h"
#include "mail/envelope.h"
#include "smtp/content_codec.h"
#include "smtp/reception.h"

namespace brevdue::smtp {

class ContentReceiver {
 public:
  // `resume` makes the callback for a chunk that is on its way; it leads to chunk_taken().
  using MakeDone = std::function<Reception::Done()>;

  ContentReceiver(Reception& reception, mail::QueueId id, std::string_view received_field,
                  std::uint64_t announced_size, std::uint64_t size_limit, MakeDone make_done);

  // Takes what it can; less than all at the end of the data, or while a chunk is on its way.
  std::size_t feed(std::string_view bytes);

  bool waiting() const { return chunk_open_; }
  bool ended() const { return codec_.ended(); }
  void chunk_taken(Result<void> result);
  std::uint64_t received() const { return codec_.received(); }

  // After the end: the reply line that refuses the message, or nothing if it may be submitted.
  std::optional<std::string> refusal() const;
  // The value of the Message-ID field as it stands there, folded lines and all; "" if there is
  // none.
  std::string message_id() const { return message_id_; }
  // After the end, if there is no refusal: hands the message over. The facts go into `envelope`.
  void finish(mail::Envelope&& envelope, Reception::Done done);
  void abandon();

 private:
  std::size_t piece_size() const;
  void make_room(std::string_view piece);
  void renew_block(std::size_t capacity);
  void keep_message_id();
  void send_chunk();

  Reception& reception_;
  mail::QueueId id_;
  ContentCodec codec_;
  MakeDone make_done_;
  std::size_t field_bytes_;  // of our Received field
  std::uint64_t longest_field_line_ = 0;
  std::uint32_t crc_ = 0;
  std::shared_ptr<char[]> block_;
  std::size_t block_size_ = 0;
  std::size_t block_capacity_ = 0;
  std::uint64_t sent_ = 0;  // content bytes that left in chunks
  std::string message_id_;
  bool message_id_kept_ = false;
  bool staged_ = false;
  bool chunk_open_ = false;
  std::optional<ErrorCode> staging_error_;
};

}  // namespace brevdue::smtp
