#include "server/ipc/frame.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gild/internal/frames.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

using ::testing::HasSubstr;

std::string Header(uint32_t bytes) {
  std::string header;
  for (int i = 0; i < 4; ++i) header.push_back(static_cast<char>(bytes >> (8 * i)));
  return header;
}

internal::FromInterpreter Ended(uint64_t serial) {
  internal::FromInterpreter frame;
  frame.mutable_ended()->set_serial(serial);
  return frame;
}

uint64_t SerialIn(absl::string_view payload) {
  internal::FromInterpreter frame;
  EXPECT_TRUE(frame.ParseFromArray(payload.data(), static_cast<int>(payload.size())));
  return frame.ended().serial();
}

TEST(FrameReaderTest, GivesBackWhatWasEncoded) {
  FrameReader reader;
  reader.Append(EncodeFrame(Ended(7)));
  absl::string_view payload;
  ASSERT_TRUE(reader.Next(&payload).value());
  EXPECT_EQ(SerialIn(payload), 7u);
  EXPECT_FALSE(reader.Next(&payload).value());
}

TEST(FrameReaderTest, CutsAStreamThatComesByteByByte) {
  const std::string stream = EncodeFrame(Ended(1)) + EncodeFrame(Ended(2)) + EncodeFrame(Ended(3));
  FrameReader reader;
  std::vector<uint64_t> serials;
  for (const char byte : stream) {
    reader.Append(absl::string_view(&byte, 1));
    absl::string_view payload;
    while (reader.Next(&payload).value()) serials.push_back(SerialIn(payload));
  }
  EXPECT_EQ(serials, (std::vector<uint64_t>{1, 2, 3}));
}

TEST(FrameReaderTest, AnEmptyFrameIsAFrame) {
  FrameReader reader;
  reader.Append(Header(0));
  absl::string_view payload = "unset";
  ASSERT_TRUE(reader.Next(&payload).value());
  EXPECT_TRUE(payload.empty());
}

TEST(FrameReaderTest, TheLargestFrameIsWaitedFor) {
  FrameReader reader;
  reader.Append(Header(kFrameBytesMax));
  absl::string_view payload;
  EXPECT_FALSE(reader.Next(&payload).value());
}

TEST(FrameReaderTest, ALargerFrameIsAnErrorBeforeItsFirstByte) {
  FrameReader reader;
  reader.Append(Header(kFrameBytesMax + 1));
  absl::string_view payload;
  EXPECT_EQ(reader.Next(&payload).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(FrameReaderTest, AFrameInAFileIsAnErrorWhereNoneMayCome) {
  const std::string header = Header(5 | kInFile);
  absl::string_view payload;
  FrameReader servers;
  servers.Append(header);
  EXPECT_FALSE(servers.Next(&payload).ok());
  FrameReader childs;
  childs.Append(header);
  EXPECT_TRUE(childs.HasFrame());
  size_t in_file_bytes = 0;
  ASSERT_TRUE(childs.Next(&payload, &in_file_bytes).value());
  EXPECT_EQ(in_file_bytes, 5u);
  EXPECT_FALSE(childs.HasFrame());
}

TEST(FrameInFileTest, NobodyCanWriteToItOrMakeItLonger) {
  const absl::StatusOr<FrameInFile> made = EncodeFrameInFile(Ended(7));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_LT(write(made->file.get(), "x", 1), 0);
  EXPECT_NE(ftruncate(made->file.get(), 1 << 20), 0);
  EXPECT_NE(fcntl(made->file.get(), F_ADD_SEALS, F_SEAL_WRITE), 0) << "nor its seals";
  internal::FromInterpreter frame;
  ASSERT_TRUE(ParseFrameInFile(made->file, made->bytes, &frame).ok());
  EXPECT_EQ(frame.ended().serial(), 7u);
  struct stat file;
  ASSERT_EQ(fstat(made->file.get(), &file), 0);
  EXPECT_EQ(file.st_blocks, 0) << "its memory is gone once it is read";
}

TEST(FrameInFileTest, ItsMemoryGoesWhoeverKeepsIt) {
  const absl::StatusOr<FrameInFile> made = EncodeFrameInFile(Ended(7));
  ASSERT_TRUE(made.ok()) << made.status();
  void* const kept = mmap(nullptr, made->bytes, PROT_READ, MAP_PRIVATE, made->file.get(), 0);
  ASSERT_NE(kept, MAP_FAILED);
  EmptyFrameFile(made->file);
  EmptyFrameFile(UniqueFd());
  struct stat file;
  ASSERT_EQ(fstat(made->file.get(), &file), 0);
  EXPECT_EQ(file.st_blocks, 0);
  munmap(kept, made->bytes);
}

// ---- of a child ----

std::string Parsed(const std::string& payload) {
  internal::FromInterpreter frame;
  return std::string(ParseFromChild(payload, &frame).message());
}

TEST(ParseFromChildTest, OneOfManyPartsIsRefusedBeforeItIsParsed) {
  internal::FromInterpreter frame;
  for (int i = 0; i < kFramePartsMax; ++i) frame.mutable_ended()->add_lock_profile();
  EXPECT_THAT(Parsed(frame.SerializeAsString()), HasSubstr("parts"));
  frame.mutable_ended()->clear_lock_profile();
  for (int i = 0; i < kFramePartsMax; ++i) frame.mutable_ended()->add_warnings("");
  EXPECT_THAT(Parsed(frame.SerializeAsString()), HasSubstr("parts"));
  frame.mutable_ended()->clear_warnings();
  for (int i = 0; i < kFramePartsMax; ++i) frame.mutable_sessions_forgotten()->add_sessions(1);
  EXPECT_THAT(Parsed(frame.SerializeAsString()), HasSubstr("parts")) << "packed";
  frame.Clear();
  frame.GetReflection()->MutableUnknownFields(&frame)->AddGroup(100)->AddLengthDelimited(
      1, std::string(kFramePartsMax, 'x'));
  EXPECT_THAT(Parsed(frame.SerializeAsString()), HasSubstr("parts")) << "a group, where no one looks";
}

TEST(ParseFromChildTest, OneOfManyBytesIsNot) {
  internal::FromInterpreter frame;
  frame.mutable_ended()->mutable_result()->set_raw(std::string(32 << 20, '\x01'));
  for (int i = 0; i < kCollectedFilesMax; ++i) frame.mutable_ended()->add_files()->set_content(std::string(999, '\n'));
  EXPECT_EQ(Parsed(frame.SerializeAsString()), "");
}

TEST(ParseFromChildTest, WhatDoesNotParseIsAnError) {
  EXPECT_THAT(Parsed("\x12\x7f"), HasSubstr("does not parse"));
  EXPECT_NE(Parsed(std::string(kFramePartsMax + 1, '\xff')), "");
  internal::FromInterpreter frame;
  frame.mutable_ended()->mutable_result()->set_raw(std::string(kFramePartsMax, 'x'));
  const std::string whole = frame.SerializeAsString();
  EXPECT_NE(Parsed(whole.substr(0, whole.size() - 1)), "");
}

TEST(FrameInFileTest, OneThatDidNotComeAlongIsAnError) {
  internal::FromInterpreter frame;
  EXPECT_FALSE(ParseFrameInFile(UniqueFd(), 5, &frame).ok());
}

TEST(FrameReaderTest, ALengthOfAllOnesIsAnError) {
  FrameReader reader;
  reader.Append("\xFF\xFF\xFF\xFF");
  absl::string_view payload;
  EXPECT_FALSE(reader.Next(&payload).ok());
}

}  // namespace
}  // namespace gild
