// A step taken in a forked child, which says what is wrong with what it then sees of itself; empty: nothing is.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/sandbox/enter.h"

namespace gild {

inline std::string InChild(const std::function<std::string()>& wrong, bool pid_namespace = false) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  pid_t child;
  {
    std::optional<NewPidNamespace> name_space;
    if (pid_namespace) name_space.emplace();
    child = fork();
    // Within its scope: going back to the old one is the parent's.
    if (child == 0) {
      close(ends[0]);
      const std::string text = wrong();
      (void)!write(ends[1], text.data(), text.size());
      _exit(0);
    }
  }
  close(ends[1]);
  std::string text;
  char bytes[256];
  ssize_t count;
  while ((count = read(ends[0], bytes, sizeof bytes)) > 0) text.append(bytes, count);
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  if (status != 0) absl::StrAppend(&text, " (wait status ", status, ")");
  return text;
}

inline bool IsRoot() { return geteuid() == 0; }

}  // namespace gild
