// Environment: the environment variables and the time zone that C code finds, as they were. (Python's own copies of
// them: known_names.h.)
//
// At the start of a task that has the process to itself, when the finalizers of the one before have run: to walk
// `environ` beside another thread is an error.
#pragma once

#include <string>
#include <vector>

namespace gild {

class Environment {
 public:
  Environment();

  // Costs a comparison for each variable.
  void PutBack() const;

 private:
  struct Zone {
    long west_s;
    int summer;
    std::string name, summer_name;
    bool operator==(const Zone&) const = default;
  };
  static Zone CurrentZone();
  bool VariablesAreTheSame() const;

  std::vector<std::string> variables_;  // "name=value", in their order
  Zone zone_;
};

}  // namespace gild
