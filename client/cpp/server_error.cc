#include "client/cpp/server_error.h"

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "client/cpp/durations.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace gild {
namespace {

constexpr char kDetailsUrl[] = "type.googleapis.com/google.rpc.Status";

void TakeDetails(const std::string& bytes, ServerError* error) {
  google::rpc::Status status;
  if (bytes.empty() || !status.ParseFromString(bytes)) return;
  for (const google::protobuf::Any& detail : status.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    google::rpc::BadRequest bad;
    if (detail.Is<google::rpc::ErrorInfo>() && detail.UnpackTo(&info)) {
      error->reason = info.reason();
      error->metadata = {info.metadata().begin(), info.metadata().end()};
    } else if (detail.Is<google::rpc::RetryInfo>() && detail.UnpackTo(&retry)) {
      error->retry_delay = FromProto(retry.retry_delay());
    } else if (detail.Is<google::rpc::BadRequest>() && detail.UnpackTo(&bad)) {
      for (const auto& violation : bad.field_violations()) {
        error->field_violations.push_back({violation.field(), violation.description()});
      }
    }
  }
}

bool Says(const ServerError& error, const char* words) { return absl::StrContains(error.message, words); }

// gRPC has one code, UNAVAILABLE, for everything between a typo in the address and a broken cable. Its text is the only
// thing that tells them apart; an unknown text falls back to the mildest claim.
ServerError::Kind KindOfUnavailable(const ServerError& error) {
  using Kind = ServerError::Kind;
  if (error.reason == "DRAINING") return Kind::kDraining;
  if (!error.reason.empty() || error.retry_delay) return Kind::kRefused;
  if (Says(error, "Connection refused") || Says(error, "No such file or directory")) return Kind::kConnectionRefused;
  if (Says(error, "http1.x") || Says(error, "HTTP1") || Says(error, "settings frame")) return Kind::kNotGrpc;
  if (Says(error, "DNS") || Says(error, "ares") || Says(error, "resolution") || Says(error, "No route") ||
      Says(error, "unreachable") || Says(error, "imed out") || Says(error, "imeout")) {
    return Kind::kNoRoute;
  }
  if (Says(error, "Socket closed") || Says(error, "reset") || Says(error, "GOAWAY") || Says(error, "Broken pipe") ||
      Says(error, "Stream removed")) {
    return Kind::kConnectionLost;
  }
  return Says(error, "failed to connect") ? Kind::kNoRoute : Kind::kConnectionLost;
}

ServerError::Kind KindOf(const ServerError& error) {
  using Kind = ServerError::Kind;
  switch (error.code) {
    case absl::StatusCode::kUnavailable: return KindOfUnavailable(error);
    case absl::StatusCode::kResourceExhausted:
      return error.reason.empty() && !error.retry_delay ? Kind::kOther : Kind::kRefused;
    case absl::StatusCode::kInvalidArgument: return Kind::kInvalid;
    case absl::StatusCode::kDeadlineExceeded: return Kind::kDeadline;
    case absl::StatusCode::kCancelled: return Kind::kCancelled;
    case absl::StatusCode::kUnimplemented: return Kind::kUnimplemented;
    case absl::StatusCode::kFailedPrecondition:
      return error.reason == "FUNCTION_MISSING" ? Kind::kFunctionMissing : Kind::kOther;
    default: return Kind::kOther;
  }
}

}  // namespace

ServerError ServerError::From(const absl::Status& status) {
  ServerError error;
  error.code = status.code();
  error.message = std::string(status.message());
  if (const auto payload = status.GetPayload(kDetailsUrl)) TakeDetails(std::string(*payload), &error);
  error.kind = KindOf(error);
  return error;
}

ServerError ServerError::From(const grpc::Status& status) { return From(ToAbsl(status)); }

absl::Status ToAbsl(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  // The two lists of codes are one and the same, by number.
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  if (!status.error_details().empty()) result.SetPayload(kDetailsUrl, absl::Cord(status.error_details()));
  return result;
}

}  // namespace gild
