// Footprint: what a gild-server has on the machine, counted from outside: so that what bad citizens leave is found,
// wherever it is.
//
//   const Footprint before = Footprint::Of(pid, folder);
//   …
//   EXPECT_EQ(Footprint::Of(pid, folder).BeyondThatOf(before), "");
//
// A value. Other servers on the machine are not counted: what has no owner to be known by is counted as its slots'
// users'. Of what this process may not look at there is none.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace gild::testing {

class Footprint {
 public:
  // Of a server that runs now. `temporary_folder`: that of nobody else (its TMPDIR).
  static Footprint Of(int server, const std::string& temporary_folder);

  // What there is more of, a line for each; empty: of nothing. Less is never wrong: who ends takes his own with him.
  std::string BeyondThatOf(const Footprint& other) const;

  // "descriptors", "processes", "mounts", "control groups", "temporary files", "slots' files", "System V objects".
  int64_t operator[](const std::string& what) const { return counts_.at(what); }

 private:
  std::map<std::string, int64_t> counts_;
};

// What is said of a process in /proc/PID/status, after a name and a colon, in its own unit; 0: it is gone.
int64_t StatusOf(int pid, const std::string& name);

}  // namespace gild::testing
