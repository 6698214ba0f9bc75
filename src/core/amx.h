// Whether this machine, its system and this build can use AMX tiles of bf16.
#pragma once

namespace subquad {

// Whether this build has code for it. Builds under a sanitizer have none: a sanitizer does not see
// what tile instructions read and write.
bool compiled_with_amx();

// Asks the processor and the system, which must grant the tiles to the process: once.
bool machine_has_amx();

}  // namespace subquad
