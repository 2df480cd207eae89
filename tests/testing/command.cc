#include "tests/testing/command.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace gild::testing {
namespace {

int Check(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

}  // namespace

int MemoryFile(const std::string& content) {
  int fd = Check(memfd_create("test", MFD_CLOEXEC), "memfd_create");
  for (size_t done = 0; done < content.size();) {
    done += Check(pwrite(fd, content.data() + done, content.size() - done, done), "pwrite");
  }
  return fd;
}

std::string ContentOf(int memory_file) {
  std::string content;
  char block[4096];
  while (int size = Check(pread(memory_file, block, sizeof(block), content.size()), "pread"))
    content.append(block, size);
  return content;
}

int Spawn(const std::vector<std::string>& arguments, int stdin_fd, int stdout_fd, int stderr_fd) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  // Tells what execv failed with; closed by an execv that did not.
  int failure[2];
  Check(pipe2(failure, O_CLOEXEC), "pipe2");
  int pid = Check(fork(), "fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(stdin_fd, 0);
    dup2(stdout_fd, 1);
    dup2(stderr_fd, 2);
    execv(argv[0], argv.data());
    int error = errno;
    if (write(failure[1], &error, sizeof(error))) {
    }
    _exit(127);
  }
  close(failure[1]);
  int error = 0;
  ssize_t size = read(failure[0], &error, sizeof(error));
  close(failure[0]);
  if (size > 0) {
    AwaitExit(pid);
    throw std::system_error(error, std::generic_category(), arguments[0]);
  }
  return pid;
}

int AwaitExit(int pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) Check(-1, "waitpid");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

CommandResult RunCommand(const std::vector<std::string>& arguments, const std::string& input) {
  int in = MemoryFile(input), out = MemoryFile(), err = MemoryFile();
  CommandResult result;
  result.exit_code = AwaitExit(Spawn(arguments, in, out, err));
  result.out = ContentOf(out);
  result.err = ContentOf(err);
  for (int fd : {in, out, err}) close(fd);
  return result;
}

}  // namespace gild::testing
