// What is printed on stdout, and whether it arrived.
#pragma once

namespace subquad::cli {

// Puts something in the place of stdin, stdout or stderr where the caller has closed them: no file
// that is opened later may take their numbers and get what is printed. Call it first.
void hold_standard_streams();

// Sends what was printed so far on its way. Error (failed) when something of it was lost.
void flush_stdout();

// The same after the last of it: also what shows only when the file is closed.
void finish_stdout();

}  // namespace subquad::cli
