#include "server/interpreter/zygote.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <optional>

#include "gild/internal/frames.pb.h"
#include "server/base/errors.h"
#include "server/interpreter/child_events.h"
#include "server/interpreter/inheritance.h"
#include "server/interpreter/python.h"
#include "server/interpreter/sandbox.h"
#include "server/interpreter/slot_init.h"
#include "server/ipc/blocking_channel.h"
#include "server/sandbox/enter.h"

namespace gild {
namespace {

class Zygote {
 public:
  Zygote(UniqueFd conversation, std::unique_ptr<Inheritance> inheritance, bool meter_available, Sandbox sandbox)
      : channel_(std::move(conversation)),
        events_(channel_.fd()),
        inheritance_(std::move(inheritance)),
        meter_available_(meter_available),
        sandbox_(std::move(sandbox)) {}

  int Run(const internal::FromZygote& ready) {
    if (!channel_.Send(ready).ok()) return 0;
    while (true) {
      switch (events_.Wait()) {
        case ChildEvents::Event::kWatched:
        case ChildEvents::Event::kTimeout: break;
        case ChildEvents::Event::kChildEnded: Reap(); break;
        case ChildEvents::Event::kFrame: {
          internal::ToZygote frame;
          if (!channel_.Receive(&frame).value_or(false)) return 0;
          do {
            if (frame.has_make_slot()) MakeSlot(frame.make_slot());
          } while (channel_.Buffered(&frame).value_or(false));
        }
      }
    }
  }

 private:
  void MakeSlot(const internal::MakeSlot& order) {
    UniqueFd conversation = channel_.TakeDescriptor();
    GILD_CHECK(conversation.valid());
    sandbox_.filters.Prepare(ProfileOf(order));
    SlotSetup setup{.slot = order, .meter_available = meter_available_, .sandbox = &sandbox_};
    pid_t init;
    int error;
    {
      std::optional<NewPidNamespace> name_space;
      if (!IsIn(Layer::kPidNamespace, sandbox_.switched_off)) name_space.emplace();
      setup.own_pid_namespace = name_space && name_space->entered();
      PyOS_BeforeFork();
      init = fork();
      error = errno;
      if (init == 0) BecomeInit(std::move(setup), std::move(conversation));
      PyOS_AfterFork_Parent();
    }
    if (init > 0) {
      slots_[init] = order.slot();
      return;  // it speaks for itself
    }
    internal::FromZygote frame;
    frame.mutable_slot_failed()->set_slot(order.slot());
    frame.mutable_slot_failed()->set_step("fork");
    frame.mutable_slot_failed()->set_error_number(error);
    (void)channel_.Send(frame);  // a server that is gone shows as end of file
  }

  [[noreturn]] void BecomeInit(SlotSetup setup, UniqueFd conversation) {
    PyOS_AfterFork_Child();
    // The zygote's own descriptors: an init must not keep that conversation open.
    ::close(channel_.fd());
    RunSlotInit(std::move(setup), std::move(conversation), std::move(inheritance_));
  }

  void Reap() {
    int status;
    while (true) {
      const pid_t ended = waitpid(-1, &status, WNOHANG);
      if (ended <= 0) return;
      auto slot = slots_.find(ended);
      if (slot == slots_.end()) continue;
      internal::FromZygote frame;
      frame.mutable_slot_gone()->set_slot(slot->second);
      frame.mutable_slot_gone()->set_wait_status(status);
      slots_.erase(slot);
      (void)channel_.Send(frame);
    }
  }

  BlockingChannel channel_;
  ChildEvents events_;
  std::unique_ptr<Inheritance> inheritance_;
  const bool meter_available_;
  Sandbox sandbox_;
  std::map<pid_t, uint32_t> slots_;
};

// Garbage first, so that it is not kept for ever; then everything that is left is out of the collectors' sight.
absl::Status FreezeHeap() {
  const PyRef gc(PyImport_ImportModule("gc"));
  const PyRef collected(gc ? PyObject_CallMethod(gc.get(), "collect", nullptr) : nullptr);
  const PyRef frozen(collected ? PyObject_CallMethod(gc.get(), "freeze", nullptr) : nullptr);
  if (!frozen) return absl::InternalError("freeze the heap: " + DescribeException());
  return absl::OkStatus();
}

}  // namespace

int RunZygote(UniqueFd conversation, const std::vector<std::string>& preload, std::vector<Layer> switched_off) {
  prctl(PR_SET_NAME, "gild-zygote");
  internal::FromZygote frame;
  internal::ZygoteReady& ready = *frame.mutable_ready();
  PyRef bootstrap;
  absl::Status status = StartPython();
  if (status.ok()) {
    absl::StatusOr<PyRef> imported = ImportBootstrap();
    status = imported.status();
    if (status.ok()) bootstrap = *std::move(imported);
  }
  if (status.ok()) {
    const absl::Status calibrated = CalibrateMeter();
    ready.set_meter_available(calibrated.ok());
    ready.set_meter_detail(std::string(calibrated.message()));
    ready.set_python_version(std::string(Py_GetVersion(), std::string(Py_GetVersion()).find(' ')));
    status = Preload(preload);
  }
  std::unique_ptr<Inheritance> inheritance;
  if (status.ok()) {
    inheritance = std::make_unique<Inheritance>(std::move(bootstrap));
    status = FreezeHeap();
  }
  if (!status.ok()) {
    ready.set_error(std::string(status.message()));
    BlockingChannel channel(std::move(conversation));
    (void)channel.Send(frame);
    return 1;
  }
  ready.mutable_preloaded()->Add(preload.begin(), preload.end());
  Sandbox sandbox = Sandbox::Make(std::move(switched_off));
  *ready.mutable_isolation() = ToFrame(sandbox.interpreters);
  return Zygote(std::move(conversation), std::move(inheritance), ready.meter_available(), std::move(sandbox))
      .Run(frame);
}

}  // namespace gild
