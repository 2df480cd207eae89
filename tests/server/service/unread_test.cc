// Replies that clients do not read are bounded.
#include <gmock/gmock.h>
#include <grpcpp/completion_queue.h>

#include "tests/server/service/rpc_fixture.h"

namespace gild {
namespace {

using ::testing::HasSubstr;

TEST_F(RpcServerTest, RepliesThatNobodyReadsAreBounded) {
  constexpr size_t kReplyBytes = 8 << 20;  // more than HTTP/2 takes off a writer's hands unread
  unread_bytes_max_ = kReplyBytes;
  Start();
  scheduler_->SlotReady(LaneKind::kCpu, 0, {.threads = 1}, NowNs());

  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(2 * kReplyBytes);
  executor_ = v1::Executor::NewStub(grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments));

  // Begins a call, and does not ask for its reply.
  grpc::CompletionQueue queue;
  grpc::ClientContext unread;
  const auto reader = executor_->PrepareAsyncRun(&unread, Request(), &queue);
  reader->StartCall();
  reader->ReadInitialMetadata(&unread);  // which sends the request
  End(*cpu_.AwaitStart(1), std::string(kReplyBytes, 'x'));

  v1::RunReply reply;
  {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    const grpc::Status status = executor_->Run(&context, Request(), &reply);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(status.error_message(), HasSubstr("replies wait for clients to read them"));
  }
  EXPECT_THAT(metrics_->Serialize(), HasSubstr("gild_refusals_total{reason=\"replies_unread\"} 1\n"));

  // Once it has been read there is room again.
  grpc::Status read;
  reader->Finish(&reply, &read, &queue);
  void* tag;
  bool ok;
  ASSERT_TRUE(queue.Next(&tag, &ok) && queue.Next(&tag, &ok));
  EXPECT_TRUE(read.ok()) << read.error_message();
  EXPECT_EQ(reply.outcome().stdout().size(), kReplyBytes);
  // The server may hear of it a moment after the client.
  std::unique_ptr<Call> next;
  while (cpu_.started() < 2) {
    if (next == nullptr || next->status.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
      next = Run(Request());
    }
    std::this_thread::yield();
  }
  End(*cpu_.AwaitStart(2), "");
  EXPECT_TRUE(next->status.get().ok());
  queue.Shutdown();
}

}  // namespace
}  // namespace gild
