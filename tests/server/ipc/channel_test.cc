#include "server/ipc/channel.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gild/internal/frames.pb.h"
#include "gtest/gtest.h"
#include "server/base/clock.h"
#include "server/ipc/blocking_channel.h"
#include "server/task/capacity.h"
#include "tests/testing/poller_thread.h"

namespace gild {
namespace {

internal::ToInterpreter StopFrame(uint64_t serial) {
  internal::ToInterpreter frame;
  frame.mutable_stop()->set_serial(serial);
  return frame;
}

internal::ToInterpreter LargeFrame(size_t bytes) {
  internal::ToInterpreter frame;
  frame.mutable_start()->set_code(std::string(bytes, 'x'));
  return frame;
}

int OpenDescriptors() {
  int count = 0;
  DIR* const directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

class ChannelTest : public ::testing::Test {
 protected:
  void Open(size_t unsent_bytes_max = kUnsentBytesMax) {
    ChannelEnds ends = MakeChannelEnds().value();
    child_ = std::move(ends.child);
    channel_ =
        std::make_shared<Channel>(poller_.get(), std::move(ends.server),
                                  Channel::Events{.on_frame = [this](absl::string_view payload) { OnFrame(payload); },
                                                  .on_frames_read = [this] { OnFramesRead(); },
                                                  .on_closed = [this](absl::Status reason) { OnClosed(reason); }},
                                  unsent_bytes_max);
    poller_.Do([this] { channel_->Start(); });
  }

  ~ChannelTest() override { poller_.End(); }

  void Write(const std::string& bytes) {
    ASSERT_EQ(send(child_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }

  void WriteWithDescriptor(const std::string& bytes, int fd) {
    iovec piece{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* const part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(part), &fd, sizeof fd);
    ASSERT_EQ(sendmsg(child_.get(), &header, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }

  std::vector<std::string> AwaitFrames(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return frames_.size() >= count; };
    mutex_.Await(absl::Condition(&enough));
    return frames_;
  }

  size_t frames_read() {
    absl::MutexLock lock(&mutex_);
    return frames_.size();
  }

  absl::Status AwaitClosed() {
    absl::MutexLock lock(&mutex_);
    const auto closed = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !closed_.empty(); };
    mutex_.Await(absl::Condition(&closed));
    return closed_.front();
  }

  void OnFramesRead() {
    absl::MutexLock lock(&mutex_);
    frames_when_read_.push_back(frames_.size());
  }
  void OnFrame(absl::string_view payload) {
    absl::MutexLock lock(&mutex_);
    EXPECT_TRUE(closed_.empty());
    frames_.emplace_back(payload);
    sender_pid_ = channel_->last_sender_pid();
  }

  void OnClosed(absl::Status reason) {
    absl::MutexLock lock(&mutex_);
    closed_.push_back(std::move(reason));
  }

  testing::PollerThread poller_;
  UniqueFd child_;
  std::shared_ptr<Channel> channel_;
  absl::Mutex mutex_;
  std::vector<std::string> frames_ ABSL_GUARDED_BY(mutex_);
  std::vector<size_t> frames_when_read_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Status> closed_ ABSL_GUARDED_BY(mutex_);
  int sender_pid_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST_F(ChannelTest, FramesArriveWholeHoweverTheyAreCut) {
  Open();
  Write(
      std::string("\x03\x00\x00\x00"
                  "a",
                  5));
  Write(std::string("bc\x01\x00", 4));
  Write(
      std::string("\x00\x00"
                  "d",
                  3));
  EXPECT_EQ(AwaitFrames(2), (std::vector<std::string>{"abc", "d"}));
}

TEST_F(ChannelTest, TheSenderIsWhoTheKernelSaysItIs) {
  Open();
  const pid_t sender = fork();
  if (sender == 0) {
    (void)!write(child_.get(), "\x01\x00\x00\x00x", 5);
    _exit(0);
  }
  AwaitFrames(1);
  {
    absl::MutexLock lock(&mutex_);
    EXPECT_EQ(sender_pid_, sender);
  }
  waitpid(sender, nullptr, 0);
}

TEST_F(ChannelTest, TheEndOfTheChildIsToldOnceAfterItsLastFrame) {
  Open();
  Write(std::string("\x01\x00\x00\x00x", 5));
  child_.reset();
  EXPECT_TRUE(AwaitClosed().ok());
  EXPECT_EQ(AwaitFrames(1).size(), 1u);
  poller_.Do([this] { channel_->ReadAvailable(); });
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(closed_.size(), 1u);
}

TEST_F(ChannelTest, AnUnreadOrderDoesNotTurnTheEndIntoAnError) {
  Open();
  ASSERT_TRUE(channel_->Send(StopFrame(1)).ok());
  child_.reset();
  EXPECT_TRUE(AwaitClosed().ok());
}

TEST_F(ChannelTest, AFrameTooLargeEndsTheConversation) {
  Open();
  Write("\xFF\xFF\xFF\xFF");
  EXPECT_EQ(AwaitClosed().code(), absl::StatusCode::kInvalidArgument);
  char byte;
  EXPECT_EQ(read(child_.get(), &byte, 1), 0);
}

TEST_F(ChannelTest, ADescriptorFromAChildIsDroppedAndEndsTheConversation) {
  Open();
  const int before = OpenDescriptors();
  WriteWithDescriptor(std::string("\x01\x00\x00\x00x", 5), 0);
  EXPECT_EQ(AwaitClosed().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(OpenDescriptors(), before);
  absl::MutexLock lock(&mutex_);
  EXPECT_TRUE(frames_.empty());
}

TEST_F(ChannelTest, WhatIsSentTogetherGoesOutAtTheEndAndInOrder) {
  Open();
  BlockingChannel child(std::move(child_));
  {
    const SendTogether together;
    ASSERT_TRUE(channel_->Send(StopFrame(1)).ok());
    {
      const SendTogether inner;
      ASSERT_TRUE(channel_->Send(StopFrame(2)).ok());
    }
    // What another thread sends meanwhile does not overtake it.
    std::thread([this] { ASSERT_TRUE(channel_->Send(StopFrame(3)).ok()); }).join();
    EXPECT_FALSE(child.Await(0));
  }
  for (uint64_t serial = 1; serial <= 3; ++serial) {
    ASSERT_TRUE(child.Await(0));
    internal::ToInterpreter frame;
    ASSERT_TRUE(child.Receive(&frame).value());
    EXPECT_EQ(frame.stop().serial(), serial);
  }
  EXPECT_FALSE(child.Await(0));
}

TEST_F(ChannelTest, ManyLargeFramesSentTogetherArriveWhole) {
  Open();
  constexpr size_t kLarge = 100 << 10;
  constexpr int kFrames = 200;  // beyond what a socket holds, and one write
  std::thread sender([this] {
    const SendTogether together;
    for (int i = 0; i < kFrames; ++i) ASSERT_TRUE(channel_->Send(LargeFrame(kLarge + i)).ok());
  });
  BlockingChannel child(std::move(child_));
  for (int i = 0; i < kFrames; ++i) {
    internal::ToInterpreter frame;
    ASSERT_TRUE(child.Receive(&frame).value());
    EXPECT_EQ(frame.start().code().size(), kLarge + i);
  }
  sender.join();
}

TEST_F(ChannelTest, FramesThatCameTogetherAreReportedTogether) {
  Open();
  Write(std::string("\x01\x00\x00\x00x\x01\x00\x00\x00y", 10));
  EXPECT_EQ(AwaitFrames(2).size(), 2u);
  poller_.Do([] {});
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(frames_when_read_, std::vector<size_t>{2});
}

TEST_F(ChannelTest, DescriptorsGoDown) {
  Open();
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  const UniqueFd read_end(pipe_ends[0]);
  std::vector<UniqueFd> descriptors;
  descriptors.emplace_back(pipe_ends[1]);
  ASSERT_TRUE(channel_->Send(StopFrame(5), std::move(descriptors)).ok());

  BlockingChannel child(std::move(child_));
  internal::ToInterpreter frame;
  ASSERT_TRUE(child.Receive(&frame).value());
  EXPECT_EQ(frame.stop().serial(), 5u);
  const UniqueFd received = child.TakeDescriptor();
  ASSERT_EQ(write(received.get(), "!", 1), 1);
  char byte = 0;
  EXPECT_EQ(read(read_end.get(), &byte, 1), 1);
  EXPECT_EQ(byte, '!');
}

TEST_F(ChannelTest, ALargeFrameIsInASealedFileThatNobodyKeeps) {
  Open();
  const int before = OpenDescriptors();
  ASSERT_TRUE(channel_->Send(StopFrame(1)).ok());
  ASSERT_TRUE(channel_->Send(LargeFrame(kInFileBytesMin + 5)).ok());
  ASSERT_TRUE(channel_->Send(LargeFrame(kInFileBytesMin)).ok());
  ASSERT_TRUE(channel_->Send(StopFrame(2)).ok());
  int waiting = 0;
  ASSERT_EQ(ioctl(child_.get(), FIONREAD, &waiting), 0);
  EXPECT_LT(waiting, 100) << "what is in the stream";
  EXPECT_EQ(OpenDescriptors(), before) << "the server has let go of them";

  BlockingChannel child(std::move(child_));
  internal::ToInterpreter frame;
  ASSERT_TRUE(child.Receive(&frame).value());
  EXPECT_EQ(frame.stop().serial(), 1u);
  for (const size_t bytes : {kInFileBytesMin + 5, kInFileBytesMin}) {
    ASSERT_TRUE(child.Receive(&frame).value());
    EXPECT_EQ(frame.start().code(), std::string(bytes, 'x'));
  }
  ASSERT_TRUE(child.Receive(&frame).value());
  EXPECT_EQ(frame.stop().serial(), 2u);
  EXPECT_FALSE(child.TakeDescriptor().valid());
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(ChannelTest, WhatTheSocketDoesNotTakeIsSentLaterAndInOrder) {
  Open();
  constexpr size_t kLarge = 900 << 10;
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  const UniqueFd read_end(pipe_ends[0]);
  std::vector<UniqueFd> descriptors;
  descriptors.emplace_back(pipe_ends[1]);
  for (int i = 0; i < 8; ++i)
    ASSERT_TRUE(channel_->Send(LargeFrame(kLarge)).ok());  // blocks nobody, though nobody reads
  ASSERT_TRUE(channel_->Send(StopFrame(2), std::move(descriptors)).ok());

  BlockingChannel child(std::move(child_));
  internal::ToInterpreter frame;
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(child.Receive(&frame).value());
    EXPECT_EQ(frame.start().code().size(), kLarge);
  }
  ASSERT_TRUE(child.Receive(&frame).value());
  EXPECT_EQ(frame.stop().serial(), 2u);
  EXPECT_TRUE(child.TakeDescriptor().valid());
}

TEST_F(ChannelTest, WhatWasSentBeforeStartIsFlushed) {
  ChannelEnds ends = MakeChannelEnds().value();
  auto channel = std::make_shared<Channel>(poller_.get(), std::move(ends.server), Channel::Events{});
  constexpr size_t kLarge = 900 << 10;
  ASSERT_TRUE(channel->Send(LargeFrame(kLarge)).ok());
  poller_.Do([&] { channel->Start(); });
  BlockingChannel child(std::move(ends.child));
  internal::ToInterpreter frame;
  ASSERT_TRUE(child.Receive(&frame).value());
  EXPECT_EQ(frame.start().code().size(), kLarge);
  poller_.Do([&] { channel->Close(); });
}

TEST_F(ChannelTest, AChildThatReadsNothingEndsTheConversation) {
  Open(/*unsent_bytes_max=*/1 << 20);
  absl::Status sent;
  for (int i = 0; i < 8 && sent.ok(); ++i) sent = channel_->Send(LargeFrame(900 << 10));
  EXPECT_EQ(sent.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(AwaitClosed().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(channel_->Send(StopFrame(1)).ok());
}

TEST_F(ChannelTest, SendingToADeadChildIsAnErrorAndItsLastFrameIsHeard) {
  Open();
  testing::Pause pause(&poller_);
  Write(std::string("\x01\x00\x00\x00x", 5));
  child_.reset();
  EXPECT_FALSE(channel_->Send(StopFrame(1)).ok());
  pause.End();
  EXPECT_TRUE(AwaitClosed().ok());
  EXPECT_EQ(AwaitFrames(1).size(), 1u);
}

TEST_F(ChannelTest, NothingIsReportedAfterClose) {
  Open();
  poller_.Do([&] {
    Write(std::string("\x01\x00\x00\x00x", 5));
    channel_->Close();
    channel_->ReadAvailable();
  });
  EXPECT_FALSE(channel_->Send(StopFrame(1)).ok());
  absl::MutexLock lock(&mutex_);
  EXPECT_TRUE(frames_.empty());
  EXPECT_TRUE(closed_.empty());
}

TEST_F(ChannelTest, ManyThreadsSendWholeFrames) {
  Open();
  constexpr int kThreads = 4;
  constexpr int kFrames = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kFrames; ++i) ASSERT_TRUE(channel_->Send(StopFrame(t * kFrames + i + 1)).ok());
    });
  }
  BlockingChannel child(std::move(child_));
  std::vector<uint64_t> last(kThreads);
  for (int i = 0; i < kThreads * kFrames; ++i) {
    internal::ToInterpreter frame;
    ASSERT_TRUE(child.Receive(&frame).value());
    const uint64_t number = frame.stop().serial() - 1;
    EXPECT_EQ(number % kFrames, last[number / kFrames]++);
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ChannelTest, AtRestWhatComesIsReadLater) {
  Open();
  const int64_t until_ns = NowNs() + 100 * kNsPerMs;
  poller_.Do([&] { channel_->RestUntil(until_ns); });
  for (size_t i = 1; i <= 3; ++i) {
    Write(EncodeFrame(StopFrame(i)));
    for (int round = 0; round < 3; ++round) poller_.Do([] {});
    const size_t read = frames_read();
    if (NowNs() < until_ns) {
      EXPECT_EQ(read, 0u);
    }
  }
  EXPECT_EQ(AwaitFrames(3).size(), 3u);
  EXPECT_GE(NowNs(), until_ns);
  // And then as ever.
  Write(EncodeFrame(StopFrame(4)));
  EXPECT_EQ(AwaitFrames(4).size(), 4u);
}

TEST_F(ChannelTest, EndOfFileIsSeenAtRest) {
  Open();
  poller_.Do([this] { channel_->RestUntil(NowNs() + 3600 * kNsPerSecond); });
  Write(EncodeFrame(StopFrame(1)));
  child_.reset();
  EXPECT_TRUE(AwaitClosed().ok());
  EXPECT_EQ(AwaitFrames(1).size(), 1u);
}

TEST_F(ChannelTest, AtRestItStillWritesWhatTheSocketDidNotTake) {
  Open();
  poller_.Do([this] { channel_->RestUntil(NowNs() + 3600 * kNsPerSecond); });
  constexpr size_t kLarge = 900 << 10;
  ASSERT_TRUE(channel_->Send(LargeFrame(kLarge)).ok());
  BlockingChannel child(std::move(child_));
  internal::ToInterpreter frame;
  ASSERT_TRUE(child.Receive(&frame).value_or(false));
  EXPECT_EQ(frame.start().code().size(), kLarge);
}

}  // namespace
}  // namespace gild
