// Nothing: what precompiles the headers that most tests include must have a source (tests/CMakeLists.txt).
