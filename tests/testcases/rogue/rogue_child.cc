// A gild-interpreter that lies: zygote, inits and interpreters as the server expects them, until a task is handed over.
// The task's name says what the interpreter does with it. For tests: gild-server --interpreter PATH.
//
// No Python in it, and no walls.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>

#include "gild/internal/frames.pb.h"
#include "server/base/clock.h"
#include "server/ipc/blocking_channel.h"
#include "server/ipc/frame.h"
#include "server/ipc/page.h"

namespace gild {
namespace {

class Interpreter {
 public:
  Interpreter(UniqueFd channel, UniqueFd page) : channel_(std::move(channel)), page_(std::move(page)) {
    uint32_t rows = 0;
    (void)!pread(page_.get(), &rows, sizeof rows, offsetof(PageHeader, rows));
    layout_.rows = rows;
    base_ = static_cast<char*>(
        mmap(nullptr, layout_.FileBytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, page_.get(), 0));
  }

  [[noreturn]] void Run() {
    internal::FromInterpreter ready;
    ready.mutable_ready();
    (void)channel_.Send(ready);
    internal::ToInterpreter frame;
    while (channel_.Receive(&frame).value_or(false)) {
      if (!frame.has_start()) continue;
      Row* const row = RowOf(frame.start());
      if (!Take(row, frame.start().serial())) continue;
      row->serial = frame.start().serial();
      row->begin_ns = NowNs();
      const auto lie = Lies().find(frame.start().file_name());
      if (lie != Lies().end()) {
        (this->*lie->second)(frame.start());
      } else {
        End(frame.start(), internal::CODE_SUCCEEDED);
      }
    }
    _exit(0);
  }

 private:
  using Lie = void (Interpreter::*)(const internal::StartTask&);

  static const std::map<std::string, Lie>& Lies() {
    static const std::map<std::string, Lie> lies = {
        {"end of another task", &Interpreter::EndOfAnother},
        {"end said twice", &Interpreter::EndTwice},
        {"half a frame, then exit", &Interpreter::HalfThenExit},
        {"half a frame, then silence", &Interpreter::HalfThenSilence},
        {"a length beyond all bounds", &Interpreter::HugeLength},
        {"noise", &Interpreter::Noise},
        {"a flood of empty frames", &Interpreter::FloodOfEmptyFrames},
        {"a flood of frames that say nothing", &Interpreter::FloodOfForgotten},
        {"a flood of loop frames", &Interpreter::FloodOfLoop},
        {"descriptors", &Interpreter::Descriptors},
        {"a shorter page", &Interpreter::ShorterPage},
        {"a longer page", &Interpreter::LongerPage},
        {"a page of nonsense", &Interpreter::NonsensePage},
        {"a page that changes", &Interpreter::ChangingPage},
        {"times of nonsense", &Interpreter::NonsenseTimes},
        {"another's death note", &Interpreter::ForgedNote},
        {"the channel held by a child", &Interpreter::HeldChannel},
        {"a closed channel", &Interpreter::ClosedChannel},
        {"ready once more", &Interpreter::ReadyAgain},
        {"failed to start", &Interpreter::FailedLate},
        {"never read", &Interpreter::NeverRead},
        {"busy after the end", &Interpreter::BusyAfterEnd},
        {"many threads left", &Interpreter::ThreadsLeft},
        {"residue of nonsense", &Interpreter::NonsenseResidue},
        {"an error of forty megabytes", &Interpreter::HugeError},
        {"twenty million nothings", &Interpreter::Nothings},
    };
    return lies;
  }

  Row* RowOf(const internal::StartTask& start) {
    return reinterpret_cast<Row*>(base_ + layout_.RowOffset(start.row()));
  }
  PageHeader* header() { return reinterpret_cast<PageHeader*>(base_); }

  static internal::FromInterpreter Ended(uint64_t serial, internal::CodeEnding ending) {
    internal::FromInterpreter frame;
    internal::TaskEnded& ended = *frame.mutable_ended();
    ended.set_serial(serial);
    ended.set_ending(ending);
    ended.set_begin_ns(NowNs());
    ended.set_end_ns(NowNs());
    return frame;
  }
  void End(const internal::StartTask& start, internal::CodeEnding ending) {
    (void)channel_.Send(Ended(start.serial(), ending));
  }
  void Write(const std::string& bytes) {
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t count = write(channel_.fd(), bytes.data() + sent, bytes.size() - sent);
      if (count <= 0) _exit(0);
      sent += count;
    }
  }
  [[noreturn]] void Stay() {
    while (true) pause();
  }
  // For as long as somebody reads.
  [[noreturn]] void Flood(const internal::FromInterpreter& frame) {
    std::string frames;
    while (frames.size() < 64 << 10) frames += EncodeFrame(frame);
    while (true) Write(frames);
  }

  void EndOfAnother(const internal::StartTask& start) {
    (void)channel_.Send(Ended(start.serial() + 1000, internal::CODE_SUCCEEDED));
    Stay();
  }
  void EndTwice(const internal::StartTask& start) {
    End(start, internal::CODE_SUCCEEDED);
    End(start, internal::CODE_SUCCEEDED);
  }
  void HalfThenExit(const internal::StartTask& start) {
    const std::string whole = EncodeFrame(Ended(start.serial(), internal::CODE_SUCCEEDED));
    Write(whole.substr(0, whole.size() / 2));
    _exit(3);
  }
  void HalfThenSilence(const internal::StartTask& start) {
    const std::string whole = EncodeFrame(Ended(start.serial(), internal::CODE_SUCCEEDED));
    Write(whole.substr(0, whole.size() / 2));
    Stay();
  }
  void HugeLength(const internal::StartTask&) {
    Write("\xff\xff\xff\xff and more");
    Stay();
  }
  void Noise(const internal::StartTask& start) {
    std::mt19937_64 random(start.serial());
    std::string noise(1 << 20, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    noise[3] = 0;  // a length that the server waits for
    Write(noise);
    Stay();
  }
  void FloodOfEmptyFrames(const internal::StartTask&) { Flood({}); }
  void FloodOfForgotten(const internal::StartTask&) {
    internal::FromInterpreter frame;
    frame.mutable_sessions_forgotten();
    Flood(frame);
  }
  void FloodOfLoop(const internal::StartTask&) {
    internal::FromInterpreter frame;
    frame.mutable_on_loop();
    Flood(frame);
  }
  void Descriptors(const internal::StartTask& start) {
    const std::string bytes = EncodeFrame(Ended(start.serial(), internal::CODE_SUCCEEDED));
    iovec piece{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
    constexpr int kMany = 64;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMany)] = {};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * kMany);
    for (int i = 0; i < kMany; ++i) {
      const int fd = STDIN_FILENO;
      std::memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
    }
    (void)sendmsg(channel_.fd(), &message, MSG_NOSIGNAL);
    Stay();
  }
  // A result says whether the kernel let it.
  void Report(const internal::StartTask& start, bool refused) {
    internal::FromInterpreter frame = Ended(start.serial(), internal::CODE_SUCCEEDED);
    frame.mutable_ended()->mutable_result()->set_json(refused ? "\"refused\"" : "\"done\"");
    (void)channel_.Send(frame);
  }
  void ShorterPage(const internal::StartTask& start) { Report(start, ftruncate(page_.get(), 0) != 0); }
  void LongerPage(const internal::StartTask& start) {
    Report(start, ftruncate(page_.get(), static_cast<off_t>(layout_.FileBytes()) * 2) != 0);
  }
  void Scribble(const internal::StartTask& start, std::mt19937_64* random) {
    // All but the claim: the server's own word is worth more than the page's.
    auto* const row = reinterpret_cast<unsigned char*>(RowOf(start)) + sizeof(uint64_t);
    for (size_t i = 0; i < sizeof(Row) - sizeof(uint64_t); ++i) row[i] = static_cast<unsigned char>((*random)());
    auto* const head = reinterpret_cast<unsigned char*>(header()) + sizeof(uint64_t);
    for (size_t i = 0; i < sizeof(PageHeader) - sizeof(uint64_t); ++i)
      head[i] = static_cast<unsigned char>((*random)());
  }
  void NonsensePage(const internal::StartTask& start) {
    std::mt19937_64 random(start.serial());
    Scribble(start, &random);
    End(start, internal::CODE_SUCCEEDED);
  }
  void ChangingPage(const internal::StartTask& start) {
    if (fork() == 0) {
      std::mt19937_64 random(start.serial());
      for (const int64_t until_ns = NowNs() + 200 * kNsPerMs; NowNs() < until_ns;) Scribble(start, &random);
      _exit(0);
    }
    usleep(1000);
    End(start, internal::CODE_SUCCEEDED);
  }
  void NonsenseTimes(const internal::StartTask& start) {
    internal::FromInterpreter frame = Ended(start.serial(), internal::CODE_SUCCEEDED);
    internal::TaskEnded& ended = *frame.mutable_ended();
    ended.set_begin_ns(INT64_MIN);
    ended.set_end_ns(INT64_MAX);
    ended.set_cpu_ns(INT64_MIN);
    ended.set_cpu_wait_ns(INT64_MAX);
    ended.set_peak_memory_bytes(INT64_MAX);
    ended.set_core(INT32_MAX);
    ended.set_lock_available(true);
    ended.set_lock_wait_ns(INT64_MAX);
    ended.set_lock_hold_ns(INT64_MAX);
    ended.set_lock_takes(UINT64_MAX);
    (void)channel_.Send(frame);
  }
  void ForgedNote(const internal::StartTask& start) {
    header()->death_detail = SIGSEGV;
    header()->death_serial = start.serial() + 1;
    header()->death = static_cast<uint32_t>(Death::kSignal);
    kill(getpid(), SIGKILL);
  }
  void HeldChannel(const internal::StartTask&) {
    if (fork() == 0) Stay();
    _exit(0);
  }
  void ClosedChannel(const internal::StartTask&) {
    shutdown(channel_.fd(), SHUT_RDWR);
    Stay();
  }
  void ReadyAgain(const internal::StartTask&) {
    internal::FromInterpreter frame;
    frame.mutable_ready();
    (void)channel_.Send(frame);
    Stay();
  }
  void FailedLate(const internal::StartTask&) {
    internal::FromInterpreter frame;
    frame.mutable_failed()->set_why("no reason");
    (void)channel_.Send(frame);
    Stay();
  }
  void NeverRead(const internal::StartTask&) { Stay(); }
  void BusyAfterEnd(const internal::StartTask& start) {
    End(start, internal::CODE_SUCCEEDED);
    while (true) {
    }
  }
  void ThreadsLeft(const internal::StartTask& start) {
    internal::FromInterpreter frame = Ended(start.serial(), internal::CODE_SUCCEEDED);
    frame.mutable_ended()->set_threads_left(UINT32_MAX);
    (void)channel_.Send(frame);
  }
  void NonsenseResidue(const internal::StartTask& start) {
    internal::FromInterpreter frame = Ended(start.serial(), internal::CODE_SUCCEEDED);
    for (int i = 0; i < 100'000; ++i) frame.mutable_ended()->add_residue(static_cast<internal::Residue>(i));
    (void)channel_.Send(frame);
    Stay();
  }
  void HugeError(const internal::StartTask& start) {
    // A frame may be as long; an error may not.
    internal::FromInterpreter frame = Ended(start.serial(), internal::CODE_RAISED);
    frame.mutable_ended()->set_error_message(std::string(40 << 20, 'x'));
    (void)channel_.Send(frame);
    Stay();
  }
  void Nothings(const internal::StartTask&) {
    // Elements without a byte in them: three bytes each here, and as many times more once parsed.
    constexpr int kNothings = 20'000'000;
    std::string ended;
    ended.reserve(3 * kNothings);
    for (int i = 0; i < kNothings; ++i) ended += std::string_view("\xe2\x01\x00", 3);  // lock_profile, field 28
    std::string payload = "\x12";                                                      // ended, field 2
    for (size_t length = ended.size(); length > 0; length >>= 7) {
      payload.push_back(static_cast<char>((length & 0x7f) | (length > 0x7f ? 0x80 : 0)));
    }
    payload += ended;
    std::string frame;
    for (int i = 0; i < 4; ++i) frame.push_back(static_cast<char>(payload.size() >> (8 * i)));
    Write(frame + payload);
    Stay();
  }

  BlockingChannel channel_;
  const UniqueFd page_;
  PageLayout layout_{0};
  char* base_ = nullptr;
};

[[noreturn]] void RunInit(UniqueFd conversation) {
  signal(SIGCHLD, SIG_DFL);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  BlockingChannel channel(std::move(conversation));
  internal::FromInit ready;
  ready.mutable_ready();
  (void)channel.Send(ready);
  pid_t interpreter = 0;
  uint64_t generation = 0;
  internal::ToInit frame;
  while (true) {
    if (channel.Await(2 * kNsPerMs)) {
      if (!channel.Receive(&frame).value_or(false)) break;
      if (frame.has_start()) {
        UniqueFd its_channel = channel.TakeDescriptor(), page = channel.TakeDescriptor();
        generation = frame.start().generation();
        interpreter = fork();
        if (interpreter == 0) {
          close(channel.fd());
          Interpreter(std::move(its_channel), std::move(page)).Run();
        }
        internal::FromInit started;
        started.mutable_started()->set_generation(generation);
        started.mutable_started()->set_pid(interpreter);
        (void)channel.Send(started);
      } else if (frame.has_kill() && interpreter > 0 && frame.kill().generation() == generation) {
        kill(interpreter, frame.kill().signal());
      }
      continue;
    }
    int status = 0;
    for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended != interpreter) continue;
      interpreter = 0;
      internal::FromInit report;
      report.mutable_ended()->set_generation(generation);
      report.mutable_ended()->set_wait_status(status);
      (void)channel.Send(report);
    }
  }
  if (interpreter > 0) kill(interpreter, SIGKILL);
  _exit(0);
}

[[noreturn]] void RunZygote(UniqueFd conversation) {
  signal(SIGCHLD, SIG_IGN);
  BlockingChannel channel(std::move(conversation));
  internal::FromZygote ready;
  ready.mutable_ready()->set_python_version("3.11.0");
  (void)channel.Send(ready);
  internal::ToZygote frame;
  while (channel.Receive(&frame).value_or(false)) {
    UniqueFd slot = channel.TakeDescriptor();
    if (fork() == 0) {
      close(channel.fd());
      RunInit(std::move(slot));
    }
  }
  _exit(0);
}

}  // namespace
}  // namespace gild

int main(int argc, char** argv) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) == "--zygote-fd") gild::RunZygote(gild::UniqueFd(std::atoi(argv[i + 1])));
  }
  return 2;
}
