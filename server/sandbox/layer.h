// Layer: one of the walls between a task and the machine. Each is in force on its own, or missing for a reason.
//
//   for (const MissingLayer& missing : entered.missing) Log(Name(missing.layer), missing.why);
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gild {

enum class Layer {
  // Of a slot.
  kOwnUid,            // an unprivileged uid of the host that no other slot has
  kUserNamespace,     // of that one uid, so that nothing in it has a privilege outside
  kPidNamespace,      // other processes have no name there
  kMountNamespace,    // a read-only root of what Python needs, a scratch of its own with a bound
  kIpcNamespace,      // System V objects and message queues
  kUtsNamespace,      // the machine's name
  kCgroupNamespace,   // where its control groups lie
  kNetworkNamespace,  // the CPU lane's has no network
  kMemoryGroup,       // control groups: memory without swap
  kPidsGroup,         // processes and threads
  kCpuGroup,          // processor time
  kKillGroup,         // ends, at one stroke, whoever is in it
  kNetworkFence,      // of those that have the machine's network: not to the server, nor to a cloud's metadata
  kNoExecMemory,      // memory files cannot be executed
  // Of an interpreter.
  kSeccomp,
  kLandlock,
  kNoCapabilities,
  kNoNewPrivs,
  kRlimits,
  kOomScore,  // the kernel takes it before the server
  kClosedDescriptors,
  kCleanEnvironment,
};

inline constexpr std::array kLayers = {
    Layer::kOwnUid,           Layer::kUserNamespace,    Layer::kPidNamespace,
    Layer::kMountNamespace,   Layer::kIpcNamespace,     Layer::kUtsNamespace,
    Layer::kCgroupNamespace,  Layer::kNetworkNamespace, Layer::kMemoryGroup,
    Layer::kPidsGroup,        Layer::kCpuGroup,         Layer::kKillGroup,
    Layer::kNetworkFence,     Layer::kNoExecMemory,     Layer::kSeccomp,
    Layer::kLandlock,         Layer::kNoCapabilities,   Layer::kNoNewPrivs,
    Layer::kRlimits,          Layer::kOomScore,         Layer::kClosedDescriptors,
    Layer::kCleanEnvironment,
};

const char* Name(Layer layer);  // "own-uid", as in GetInfo, metrics and logs
std::optional<Layer> LayerNamed(absl::string_view name);

bool IsIn(Layer layer, const std::vector<Layer>& layers);
bool IsIn(Layer layer, const std::vector<std::string>& names);

struct MissingLayer {
  Layer layer;
  std::string why;  // the step that failed, and how
};

// The control group behind a layer, made for one slot.
struct OwnGroup {
  std::string folder;    // empty: there is none
  std::string why_none;  // of the layer; a folder is joined all the same, for what it does
};

// What is true of a slot, or of all slots of a lane.
struct Isolation {
  std::vector<Layer> in_force;
  std::vector<MissingLayer> missing;

  bool Has(Layer layer) const;
};

// How much there is of it. Each level has what the one before has.
enum class IsolationLevel {
  kNone,  // less than kUser
  kUser,  // what the kernel grants an ordinary user
  kFull,  // and a uid of its own, and control groups
};

const char* Name(IsolationLevel level);  // "none" "user" "full"
std::optional<IsolationLevel> IsolationLevelNamed(absl::string_view name);
// `network`: a lane that has it, and so no namespace of its own for it.
IsolationLevel LevelOf(const std::vector<std::string>& in_force, bool network);

}  // namespace gild
