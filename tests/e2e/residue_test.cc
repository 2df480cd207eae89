// What a task changes in its interpreter does not reach the next one.
#include "tests/testing/server_fixture.h"

namespace gild::testing {
namespace {

class ResidueTest : public BothLanesFixture {
 protected:
  // Runs one after the other in the same interpreter; returns what the second printed.
  std::string After(const std::string& first, const std::string& second) {
    StartSmallServer({"--io-threads", "1"});
    const v1::Outcome left = Run(Script(GetParam(), first));
    EXPECT_EQ(left.ending(), v1::SUCCEEDED) << left.DebugString();
    const v1::Outcome met = Run(Script(GetParam(), second));
    EXPECT_EQ(met.ending(), v1::SUCCEEDED) << met.DebugString();
    EXPECT_EQ(met.usage().interpreter(), left.usage().interpreter());
    return met.stdout();
  }
};
INSTANTIATE_IN_BOTH_LANES(ResidueTest);

TEST_P(ResidueTest, StreamsThatAreGone) {
  EXPECT_EQ(After("import sys\nsys.stdout = sys.__stdout__ = None", "print('here')"), "here\n");
}

TEST_P(ResidueTest, StreamThatIsClosed) {
  EXPECT_EQ(After("import sys\nsys.stdout.close()", "print('here')"), "here\n");
}

TEST_P(ResidueTest, Tracing) {
  EXPECT_EQ(After("import sys\nsys.settrace(lambda *_: None)\nsys.setprofile(lambda *_: None)",
                  "import sys\nprint(sys.gettrace(), sys.getprofile())"),
            "None None\n");
}

TEST_P(ResidueTest, ThreadLocalsAndContextVariables) {
  EXPECT_EQ(After("import contextvars, threading\n"
                  "threading.ours = threading.local()\n"
                  "threading.ours.value = 1\n"
                  "threading.variable = contextvars.ContextVar('variable', default='none')\n"
                  "threading.variable.set('left behind')",
                  "import threading\nprint(hasattr(threading.ours, 'value'), threading.variable.get())"),
            "False none\n");
}

TEST_P(ResidueTest, Globals) { EXPECT_EQ(After("x = 1", "print('x' in globals())"), "False\n"); }

TEST_P(ResidueTest, BuiltinsThatWeUseOurselves) {
  EXPECT_EQ(After("import builtins, json\nbuiltins.compile = builtins.exec = json.loads = None", "print('here')"),
            "here\n");
}

// What was put in the way runs code when it is put away.
TEST_P(ResidueTest, WhatFinalizersChange) {
  EXPECT_EQ(After("import builtins\n"
                  "class Late:\n"
                  "    def __del__(self, names=vars(builtins), other=lambda *_: 'x'): names['abs'] = other\n"
                  "builtins.zip = Late()\n",
                  "print(abs(-1), list(zip('a')))"),
            "1 [('a',)]\n");
}

TEST_P(ResidueTest, StreamsThatFinalizersChange) {
  EXPECT_EQ(After("import sys\n"
                  "class Late:\n"
                  "    def __init__(self, name): self.name = name\n"
                  "    def __del__(self, names=vars(sys)): names[self.name] = None\n"
                  "vars(sys)['stderr'] = Late('stdout')\n"
                  "vars(sys)['stdout'] = Late('stderr')\n",
                  // What print() finds: sys.stdout itself is a property.
                  "import sys\nprint('here')\nprint(None in (vars(sys)['stdout'], vars(sys)['stderr']))"),
            "here\nFalse\n");
}

TEST_P(ResidueTest, WhatGildSaysItIs) {
  StartSmallServer({"--io-threads", "1"});
  for (const char* const code :
       {"import sys\nsys.modules['gild'] = None", "import sys\ndel sys.modules['gild']",
        "import gild\ngild.progress = None", "import gild\ndel gild.progress", "import gild\nvars(gild).clear()"}) {
    EXPECT_EQ(Run(Script(GetParam(), code)).ending(), v1::SUCCEEDED) << code;
    const v1::Outcome met = Run(Script(GetParam(), "import gild\ngild.progress(1)\nprint(bool(gild.__doc__))"));
    EXPECT_EQ(met.stdout(), "True\n") << code << "\n" << met.DebugString();
  }
}

class CpuResidueTest : public ResidueTest {};
INSTANTIATE_TEST_SUITE_P(Lanes, CpuResidueTest, ::testing::Values(v1::CPU),
                         [](const auto&) { return std::string("Cpu"); });

TEST_P(CpuResidueTest, WhatTheFinalizerOfAMainModuleChanges) {
  EXPECT_EQ(After("import builtins, sys\n"
                  "class Late:\n"
                  "    def __del__(self, names=vars(builtins), other=lambda *_: 'x'): names['abs'] = other\n"
                  "sys.modules['__main__'] = Late()\n",
                  "print(abs(-1))"),
            "1\n");
}

// What is left of a coroutine is collected in the next task, which is told of it by way of logging.
TEST_P(CpuResidueTest, LoggingsLock) {
  EXPECT_EQ(After("import threading, logging\nt = threading.Thread(target=logging._lock.acquire)\nt.start()\nt.join()",
                  "import logging\nlogging.getLogger('next').error('it is free')\nprint('done')"),
            "done\n");
}

TEST_P(CpuResidueTest, Timers) {
  EXPECT_EQ(After("import signal\nsignal.setitimer(signal.ITIMER_REAL, 1000)",
                  "import signal\nprint(signal.getitimer(signal.ITIMER_REAL))"),
            "(0.0, 0.0)\n");
}

TEST_P(CpuResidueTest, Threads) {
  StartSmallServer();
  const v1::Outcome left = Run(Script(v1::CPU,
                                      "import threading, time\n"
                                      "threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()"));
  EXPECT_EQ(left.ending(), v1::SUCCEEDED) << left.DebugString();
  const v1::Outcome next = Run(Script(v1::CPU, "import threading\nprint(threading.active_count())"));
  EXPECT_EQ(next.stdout(), "1\n");
  EXPECT_NE(next.usage().interpreter(), left.usage().interpreter());
}

TEST_F(ServerFixture, TheTimerOfLimitsOnProcessorTimeIsThereForTheNextTask) {
  StartSmallServer();
  for (const char* const name : {"residue/limit_timer.py", "residue/limit_timer_gone.py"}) {
    ASSERT_EQ(Run(Script(v1::CPU, Testcase(name))).ending(), v1::SUCCEEDED);
    EXPECT_EQ(Run(Script(v1::CPU, "import time\nwhile time.process_time() < 0.2: pass")).ending(), v1::SUCCEEDED)
        << name;
    v1::Task limited = Script(v1::CPU, "while True: pass");
    *limited.mutable_limits()->mutable_cpu() = Ms(50);
    const v1::Outcome outcome = Run(limited);
    EXPECT_EQ(outcome.ending(), v1::CPU_LIMIT) << name << outcome.DebugString();
  }
}

}  // namespace
}  // namespace gild::testing
