// StandardDescriptors: 0, 1 and 2 lead where they led before the first task, in a process of many tasks at once. Where
// one has closed them, the next file or connection that somebody opens gets such a number, and whatever C code prints
// goes there.
//
// Any thread.
#pragma once

#include <sys/types.h>

#include <array>

#include "server/interpreter/settings.h"

namespace gild {

class StandardDescriptors {
 public:
  StandardDescriptors();

  // Those that are closed. False: one leads elsewhere, to what somebody may be using.
  bool Reopen() const;

 private:
  struct Place {
    dev_t device;
    ino_t inode;
    bool operator==(const Place&) const = default;
  };
  static Place LeadsTo(int descriptor);

  std::array<Place, kStandardDescriptors> lead_to_;
};

}  // namespace gild
