#include "server/service/refusals.h"

#include <initializer_list>

#include <google/protobuf/any.pb.h>
#include <google/protobuf/util/time_util.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/base/clock.h"

namespace gild {
namespace {

constexpr char kDomain[] = "gild";

grpc::Status MakeStatus(grpc::StatusCode code, const std::string& message,
                        std::initializer_list<const google::protobuf::Message*> details) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  for (const google::protobuf::Message* detail : details) status.add_details()->PackFrom(*detail);
  return grpc::Status(code, message, status.SerializeAsString());
}

}  // namespace

grpc::Status ToStatus(const InvalidField& invalid) {
  const std::string message = absl::StrCat(invalid.field, " ", invalid.description);
  google::rpc::ErrorInfo error;
  error.set_reason("INVALID_FIELD");
  error.set_domain(kDomain);
  (*error.mutable_metadata())["field"] = invalid.field;
  google::rpc::BadRequest bad_request;
  auto* const violation = bad_request.add_field_violations();
  violation->set_field(invalid.field);
  violation->set_description(invalid.description);
  return MakeStatus(grpc::StatusCode::INVALID_ARGUMENT, message, {&error, &bad_request});
}

grpc::Status ToStatus(const MissingFunction& missing) {
  const std::string hex = absl::BytesToHexString(missing.sha256);
  google::rpc::ErrorInfo error;
  error.set_reason("FUNCTION_MISSING");
  error.set_domain(kDomain);
  (*error.mutable_metadata())["function_sha256"] = hex;
  return MakeStatus(grpc::StatusCode::FAILED_PRECONDITION,
                    absl::StrCat("no function ", hex, " is stored: put it (Executor.PutFunction), then call it"),
                    {&error});
}

grpc::Status ToStatus(const UnknownTask& unknown) {
  google::rpc::ErrorInfo error;
  error.set_reason("TASK_UNKNOWN");
  error.set_domain(kDomain);
  (*error.mutable_metadata())["task_id"] = unknown.id;
  return MakeStatus(grpc::StatusCode::NOT_FOUND,
                    absl::StrCat("no task ", unknown.id, " waits or runs here: it has ended, or there never was one"),
                    {&error});
}

grpc::Status ToStatus(const Refusal& refusal, LaneKind lane) {
  google::rpc::ErrorInfo error;
  error.set_domain(kDomain);
  (*error.mutable_metadata())["lane"] = Name(lane);
  google::rpc::RetryInfo retry;
  *retry.mutable_retry_delay() = google::protobuf::util::TimeUtil::NanosecondsToDuration(refusal.retry_after_ns);
  const std::string hint = absl::StrCat("; try again in ", refusal.retry_after_ns / kNsPerMs, " ms");
  switch (refusal.reason) {
    case Refusal::Reason::kQueueFull:
      error.set_reason("QUEUE_FULL");
      return MakeStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                        absl::StrCat("the queue of the ", Name(lane), " lane is full of tasks", hint),
                        {&error, &retry});
    case Refusal::Reason::kQueueBytesFull:
      error.set_reason("QUEUE_BYTES_FULL");
      return MakeStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                        absl::StrCat("the tasks of the ", Name(lane), " lane hold as many bytes as they may", hint),
                        {&error, &retry});
    case Refusal::Reason::kSessionsFull:
      error.set_reason("SESSIONS_FULL");
      return MakeStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                        absl::StrCat("as many sessions live as may, and none is free to be forgotten", hint),
                        {&error, &retry});
    case Refusal::Reason::kRepliesUnread:
      error.set_reason("REPLIES_UNREAD");
      return MakeStatus(grpc::StatusCode::RESOURCE_EXHAUSTED,
                        absl::StrCat("too many bytes of replies wait for clients to read them", hint),
                        {&error, &retry});
    case Refusal::Reason::kDraining:
      error.set_reason("DRAINING");
      return MakeStatus(grpc::StatusCode::UNAVAILABLE, absl::StrCat("the server is shutting down", hint),
                        {&error, &retry});
  }
  return grpc::Status(grpc::StatusCode::INTERNAL, "refused");
}

}  // namespace gild
