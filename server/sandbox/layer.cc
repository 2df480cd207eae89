#include "server/sandbox/layer.h"

#include <algorithm>

namespace gild {

const char* Name(Layer layer) {
  switch (layer) {
    case Layer::kOwnUid: return "own-uid";
    case Layer::kUserNamespace: return "user-namespace";
    case Layer::kPidNamespace: return "pid-namespace";
    case Layer::kMountNamespace: return "mount-namespace";
    case Layer::kIpcNamespace: return "ipc-namespace";
    case Layer::kUtsNamespace: return "uts-namespace";
    case Layer::kCgroupNamespace: return "cgroup-namespace";
    case Layer::kNetworkNamespace: return "network-namespace";
    case Layer::kMemoryGroup: return "memory-group";
    case Layer::kPidsGroup: return "pids-group";
    case Layer::kCpuGroup: return "cpu-group";
    case Layer::kKillGroup: return "kill-group";
    case Layer::kNetworkFence: return "network-fence";
    case Layer::kNoExecMemory: return "no-exec-memory";
    case Layer::kSeccomp: return "seccomp";
    case Layer::kLandlock: return "landlock";
    case Layer::kNoCapabilities: return "no-capabilities";
    case Layer::kNoNewPrivs: return "no-new-privs";
    case Layer::kRlimits: return "rlimits";
    case Layer::kOomScore: return "oom-score";
    case Layer::kClosedDescriptors: return "closed-descriptors";
    case Layer::kCleanEnvironment: return "clean-environment";
  }
  return "?";
}

std::optional<Layer> LayerNamed(absl::string_view name) {
  for (const Layer layer : kLayers) {
    if (name == Name(layer)) return layer;
  }
  return std::nullopt;
}

bool IsIn(Layer layer, const std::vector<Layer>& layers) {
  return std::find(layers.begin(), layers.end(), layer) != layers.end();
}

bool IsIn(Layer layer, const std::vector<std::string>& names) {
  return std::find(names.begin(), names.end(), Name(layer)) != names.end();
}

bool Isolation::Has(Layer layer) const { return IsIn(layer, in_force); }

const char* Name(IsolationLevel level) {
  switch (level) {
    case IsolationLevel::kNone: return "none";
    case IsolationLevel::kUser: return "user";
    case IsolationLevel::kFull: return "full";
  }
  return "?";
}

std::optional<IsolationLevel> IsolationLevelNamed(absl::string_view name) {
  for (const IsolationLevel level : {IsolationLevel::kNone, IsolationLevel::kUser, IsolationLevel::kFull}) {
    if (name == Name(level)) return level;
  }
  return std::nullopt;
}

IsolationLevel LevelOf(const std::vector<std::string>& in_force, bool network) {
  IsolationLevel level = IsolationLevel::kFull;
  for (const Layer layer : kLayers) {
    if (IsIn(layer, in_force) || (layer == Layer::kNetworkNamespace && network) ||
        (layer == Layer::kNetworkFence && !network)) {
      continue;
    }
    switch (layer) {
      case Layer::kOwnUid:
      case Layer::kMemoryGroup:
      case Layer::kPidsGroup:
      case Layer::kCpuGroup:
      case Layer::kNetworkFence:
      case Layer::kKillGroup: level = std::min(level, IsolationLevel::kUser); break;
      // Depends on the kernel's age, and stands behind others.
      case Layer::kNoExecMemory:
      case Layer::kLandlock: level = std::min(level, IsolationLevel::kUser); break;
      case Layer::kUserNamespace:
      case Layer::kPidNamespace:
      case Layer::kMountNamespace:
      case Layer::kIpcNamespace:
      case Layer::kUtsNamespace:
      case Layer::kCgroupNamespace:
      case Layer::kNetworkNamespace:
      case Layer::kSeccomp:
      case Layer::kNoCapabilities:
      case Layer::kNoNewPrivs:
      case Layer::kRlimits:
      case Layer::kOomScore:
      case Layer::kClosedDescriptors:
      case Layer::kCleanEnvironment: return IsolationLevel::kNone;
    }
  }
  return level;
}

}  // namespace gild
