#include "server/service/completion_queue.h"

#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include <future>
#include <memory>

#include "gild/internal/frames.pb.h"
#include "server/ipc/channel.h"
#include "tests/testing/poller_thread.h"

namespace gild {
namespace {

int Arrived(const UniqueFd& fd) {
  int bytes = 0;
  EXPECT_EQ(ioctl(fd.get(), FIONREAD, &bytes), 0);
  return bytes;
}

TEST(CompletionQueue, WhatNeedNotKeepTasksWaitingIsDoneAfterTheyAreSent) {
  testing::PollerThread poller;
  ChannelEnds ends = MakeChannelEnds().value();
  const auto channel = std::make_shared<Channel>(poller.get(), std::move(ends.server), Channel::Events());
  grpc::ServerBuilder builder;
  CompletionQueues queues(&builder, 1);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  CompletionQueue& queue = *queues.queues().front();
  queues.Start();

  internal::ToInterpreter frame;
  frame.mutable_stop()->set_serial(1);
  std::promise<int> first, together, after;
  queue.Post([&] {
    queue.AfterSends([&] { first.set_value(Arrived(ends.child)); });
    ASSERT_TRUE(channel->Send(frame).ok());
    together.set_value(Arrived(ends.child));
    queue.AfterSends([&] { after.set_value(Arrived(ends.child)); });
  });
  const int frame_bytes = static_cast<int>(EncodeFrame(frame).size());
  EXPECT_EQ(together.get_future().get(), 0);
  EXPECT_EQ(first.get_future().get(), frame_bytes);
  EXPECT_EQ(after.get_future().get(), frame_bytes);

  // Once each.
  std::promise<void> again;
  queue.Post([&] { queue.AfterSends([&] { again.set_value(); }); });
  again.get_future().get();

  server->Shutdown();
  queues.Shutdown();
  poller.End();
}

}  // namespace
}  // namespace gild
