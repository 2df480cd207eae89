#include "client/cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/cli/units.h"

namespace gild::cli {
namespace {

using Clock = std::chrono::steady_clock;

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd read;
  Fd write;

  bool Open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    read = Fd(ends[0]);
    write = Fd(ends[1]);
    return true;
  }
};

// 0, or what it could not be started for.
int Spawn(const std::vector<std::string>& arguments, int in, int out, int err, pid_t* pid) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  const int error = posix_spawn(pid, argv[0], &files, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return error;
}

// What there is to read, until the text is longer than it may be. At the end of the stream, closes it.
void Drain(Fd* fd, size_t bytes_most, std::string* text) {
  char block[4096];
  while (fd->valid() && text->size() <= bytes_most) {
    const ssize_t n = read(fd->get(), block, sizeof block);
    if (n > 0) {
      text->append(block, static_cast<size_t>(n));
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else {
      if (n == 0 || errno != EAGAIN) *fd = Fd();
      return;
    }
  }
}

// Until the child has ended, or went over a bound.
absl::Status Follow(int pidfd, Fd* out, Fd* err, absl::Duration time_most, size_t bytes_most, ChildResult* result) {
  const Clock::time_point end = Clock::now() + absl::ToChronoNanoseconds(time_most);
  for (bool ended = false; !ended;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return absl::DeadlineExceededError(absl::StrCat("did not end within ", TimeText(time_most)));
    pollfd wait[] = {{pidfd, POLLIN, 0}, {out->get(), POLLIN, 0}, {err->get(), POLLIN, 0}};
    if (poll(wait, std::size(wait), static_cast<int>(std::min<int64_t>(left, 60'000))) < 0) continue;
    ended = wait[0].revents != 0;
    Drain(out, bytes_most, &result->out);
    Drain(err, bytes_most, &result->err);
    if (std::max(result->out.size(), result->err.size()) > bytes_most) {
      return absl::ResourceExhaustedError(absl::StrCat("printed more than ", SizeText(bytes_most)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ChildResult> RunChild(const std::vector<std::string>& arguments, absl::Duration time_most,
                                     size_t output_bytes_most) {
  Pipe in, out, err;
  if (!in.Open() || !out.Open() || !err.Open()) return absl::UnavailableError(strerror(errno));
  for (const Fd* fd : {&out.read, &err.read}) fcntl(fd->get(), F_SETFL, O_NONBLOCK);
  pid_t pid = -1;
  const int error = Spawn(arguments, in.read.get(), out.write.get(), err.write.get(), &pid);
  if (error != 0) return absl::NotFoundError(strerror(error));
  // The child's ends are its own.
  in.read = Fd();
  out.write = Fd();
  err.write = Fd();

  ChildResult result;
  const Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  const absl::Status followed = pidfd.valid()
                                    ? Follow(pidfd.get(), &out.read, &err.read, time_most, output_bytes_most, &result)
                                    : absl::UnavailableError(strerror(errno));
  kill(-pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!followed.ok()) return followed;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace gild::cli
