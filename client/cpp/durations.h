// Durations between google.protobuf.Duration, in which the API speaks, and absl::Duration, in which the client counts.
//
// Free functions without state: any thread. An absent message counts as zero; ask has_x() where absence matters.
//
//   absl::Duration run = FromProto(outcome.usage().run());
#pragma once

#include <google/protobuf/duration.pb.h>

#include "absl/time/time.h"

namespace gild {

inline absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

inline google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return proto;
}

}  // namespace gild
