#include "gild/v1/task.pb.h"
#include "tests/fuzz/plausible.h"

std::vector<std::string> PlausibleInputs() {
  gild::v1::Task script, entry, call;
  script.set_tag(gild::v1::IO);
  script.mutable_source()->set_code("print(1)");
  script.set_session("s");
  entry.set_name("sum");
  entry.set_tag(gild::v1::CPU);
  entry.mutable_source()->set_code("def main(a): return a");
  entry.mutable_source()->set_entry("main");
  entry.mutable_source()->add_arguments()->set_json("1");
  entry.mutable_limits()->mutable_wall()->set_seconds(3);
  entry.mutable_limits()->mutable_cpu()->set_nanos(500'000'000);
  entry.mutable_limits()->set_memory_bytes(1 << 20);
  entry.mutable_limits()->set_output_overflow(gild::v1::END_TASK);
  gild::v1::File& file = *entry.add_files();
  file.set_path("in/a.csv");
  file.set_content("1,2");
  entry.add_collect("out/*.png");
  entry.set_profile_lock(true);
  call.mutable_function()->set_function_sha256(std::string(32, '\1'));
  call.mutable_function()->set_pickled_arguments("\x80\x05.");
  call.mutable_function()->add_buffers("buffer");
  return {script.SerializeAsString(), entry.SerializeAsString(), call.SerializeAsString()};
}
