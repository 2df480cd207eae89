#include "gild/internal/frames.pb.h"
#include "server/ipc/frame.h"
#include "tests/fuzz/plausible.h"

std::vector<std::string> PlausibleInputs() {
  gild::internal::FromInterpreter ready, ended, on_loop, raised;
  ready.mutable_ready();
  gild::internal::TaskEnded& end = *ended.mutable_ended();
  end.set_serial(7);
  end.set_ending(gild::internal::CODE_SUCCEEDED);
  end.mutable_result()->set_json("[1, 2, 3]");
  end.set_begin_ns(1'000'000);
  end.set_end_ns(2'000'000);
  end.set_lock_available(true);
  gild::internal::File& file = *end.add_files();
  file.set_path("out/a.png");
  file.set_content("\x89PNG");
  end.add_warnings("collect: a symbolic link");
  end.add_residue(gild::internal::RESIDUE_DESCRIPTORS);
  on_loop.mutable_on_loop()->add_serials(7);
  raised.mutable_ended()->set_serial(8);
  raised.mutable_ended()->set_ending(gild::internal::CODE_RAISED);
  raised.mutable_ended()->set_error_type("ValueError");
  raised.mutable_ended()->set_error_pickled("\x80\x05.");
  raised.mutable_ended()->set_error_traceback("Traceback (most recent call last):\n");
  std::string all;
  std::vector<std::string> inputs;
  for (const auto& frame : {ready, ended, on_loop, raised}) {
    inputs.push_back(gild::EncodeFrame(frame));
    all += inputs.back();
  }
  inputs.push_back(all);
  return inputs;
}
