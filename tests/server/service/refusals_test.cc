#include "server/service/refusals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace gild {
namespace {

using ::testing::HasSubstr;

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), status.error_code());
  EXPECT_EQ(details.message(), status.error_message());
  return details;
}

TEST(ToStatusTest, AnInvalidFieldIsNamed) {
  const grpc::Status status = ToStatus(InvalidField{"task.limits.wall", "is negative"});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "task.limits.wall is negative");
  const google::rpc::Status details = Details(status);
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(details.details(1).UnpackTo(&bad_request));
  EXPECT_EQ(bad_request.field_violations(0).field(), "task.limits.wall");
  EXPECT_EQ(bad_request.field_violations(0).description(), "is negative");
}

TEST(ToStatusTest, AnUnknownTaskIsNamed) {
  const grpc::Status status = ToStatus(UnknownTask{"0190"});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("no task 0190"));
  google::rpc::ErrorInfo error;
  ASSERT_TRUE(Details(status).details(0).UnpackTo(&error));
  EXPECT_EQ(error.reason(), "TASK_UNKNOWN");
  EXPECT_EQ(error.metadata().at("task_id"), "0190");
}

TEST(ToStatusTest, ARefusalSaysWhyAndWhenToTryAgain) {
  struct Case {
    Refusal::Reason reason;
    grpc::StatusCode code;
    const char* name;
  };
  for (const Case& each :
       {Case{Refusal::Reason::kQueueFull, grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_FULL"},
        Case{Refusal::Reason::kQueueBytesFull, grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_BYTES_FULL"},
        Case{Refusal::Reason::kSessionsFull, grpc::StatusCode::RESOURCE_EXHAUSTED, "SESSIONS_FULL"},
        Case{Refusal::Reason::kDraining, grpc::StatusCode::UNAVAILABLE, "DRAINING"}}) {
    const grpc::Status status = ToStatus(Refusal{each.reason, 1500 * kNsPerMs}, LaneKind::kIo);
    EXPECT_EQ(status.error_code(), each.code);
    const google::rpc::Status details = Details(status);
    google::rpc::ErrorInfo error;
    ASSERT_TRUE(details.details(0).UnpackTo(&error));
    EXPECT_EQ(error.reason(), each.name);
    EXPECT_EQ(error.domain(), "gild");
    EXPECT_EQ(error.metadata().at("lane"), "io");
    google::rpc::RetryInfo retry;
    ASSERT_TRUE(details.details(1).UnpackTo(&retry));
    EXPECT_EQ(retry.retry_delay().seconds(), 1);
    EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
  }
}

}  // namespace
}  // namespace gild
