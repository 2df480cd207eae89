// A child's bytes, cut into frames: however they arrive, the reader finds the same frames, keeps within its bounds, and
// a frame that parses can be looked at.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gild/internal/frames.pb.h"
#include "server/base/errors.h"
#include "server/ipc/frame.h"
#include "server/lane/endings.h"

namespace {

using gild::FrameReader;

// The frames of `bytes`, arriving in pieces of that size; and whether the stream became of no use.
std::pair<std::vector<std::string>, bool> Read(absl::string_view bytes, size_t piece_bytes) {
  FrameReader reader;
  std::vector<std::string> frames;
  while (true) {
    absl::string_view payload;
    const absl::StatusOr<bool> complete = reader.Next(&payload);
    if (!complete.ok()) return {frames, true};
    if (*complete) {
      frames.emplace_back(payload);
      continue;
    }
    if (bytes.empty()) return {frames, false};
    reader.Append(bytes.substr(0, piece_bytes));
    bytes.remove_prefix(std::min(piece_bytes, bytes.size()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = Read(bytes, size + 1);
  GILD_CHECK(whole == Read(bytes, 1) && whole == Read(bytes, 7));
  gild::Task task;
  task.collect = {"*"};
  for (const std::string& payload : whole.first) {
    GILD_CHECK(payload.size() <= static_cast<size_t>(gild::kFrameBytesMax));
    gild::internal::FromInterpreter frame;
    // Short ones are counted here as well.
    if (gild::ParseFromChild(payload, &frame, /*parts_max=*/16).ok()) {
      GILD_CHECK(frame.ended().lock_profile_size() <= 16 && frame.on_loop().serials_size() <= 16);
    }
    if (!gild::ParseFromChild(payload, &frame).ok() || !frame.has_ended()) continue;
    const gild::StopReason stop = gild::StopReason::kTimedOut;
    if (!gild::ProblemOf(frame.ended(), task, stop).empty()) continue;
    gild::Outcome outcome;
    (void)gild::ResidueText(frame.ended());
    gild::EndReported(frame.mutable_ended(), task, stop, 0, &outcome);
    GILD_CHECK(gild::Name(outcome.ending) != std::string("?"));
  }
  return 0;
}
