// NetworkFence: where the processes of a control group (version 2) may not connect, and may not send to: the server's
// own ports on this machine, and the addresses at which clouds hand out credentials to whoever asks. Nor may they
// listen at the server's ports, on another of the machine's addresses.
//
// Small BPF programs, for each family of addresses, that the kernel runs at connect(2), sendmsg(2) and bind(2)
// (bpf(2), BPF_PROG_TYPE_CGROUP_SOCK_ADDR; the fields are those of struct bpf_sock_addr). What is refused fails with
// EPERM. Namespaces cannot do that, as these tasks are to have the machine's network, and Landlock knows ports, not
// addresses.
//
// Any thread. Owns its programs; a group that they were put around keeps them for as long as it lives.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/base/unique_fd.h"

namespace gild {

class NetworkFence {
 public:
  struct Port {
    uint16_t number = 0;
    // Who listens there listens on loopback alone: elsewhere the same number is somebody else's.
    bool loopback_only = true;
  };

  // An error: the kernel, or a privilege that is missing, does not let us.
  static absl::StatusOr<std::unique_ptr<NetworkFence>> Make(const std::vector<Port>& ports);

  // Of a group of version 2, by its folder.
  absl::Status PutAround(const std::string& group_folder) const;

 private:
  struct Program {
    bpf_attach_type at;
    UniqueFd fd;
  };

  std::vector<Program> programs_;
};

}  // namespace gild
