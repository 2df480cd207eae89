#include "client/cli/command_line.h"

int main(int argc, char** argv) { return gild::cli::Main(argc, argv); }
