// Citizen: a program of tests/testcases/<kind>/, and what its head comment says of it (tests/testcases/README.md).
//
// A value. What a file should not say is thrown as std::runtime_error, which names the file.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "gild/v1/task.pb.h"

namespace gild::testing {

struct Citizen {
  std::string name;  // "bombs/threads"
  v1::Tag tag;       // of the lane that this is about
  v1::Task task;
  std::set<v1::Ending> ends;
  // Regular expressions that are found in what it says; empty: anything will do.
  std::string error;
  std::string evidence;
  std::string prints;
  std::string warns;
  std::vector<std::string> refused;  // system calls
};

// The programs in that folder, by name, each once for every lane that it runs in.
std::vector<Citizen> Citizens(const std::string& kind);

// What is not as the citizen's head comment says; empty: nothing.
std::string Unexpected(const Citizen& citizen, const v1::Outcome& outcome);

}  // namespace gild::testing
