// Files that have no name yet, or a temporary one. One lock covers every step that gives, changes
// or removes a name, so that abandon_files() finds each file before the step or after it.
#pragma once

#include <string>

#include "io/file_descriptor.h"

namespace subquad::io {

// A new empty file that will be `target`: without a name, gone when it is closed or the process
// ends however that happens; or, where the file system or the system cannot do that, with the name
// that is put into `temporary`. Not valid where no file can be made; errno says why.
// Error (failed) after abandon_files(), as from the two below.
FileDescriptor create_unplaced(const std::string& target, std::string& temporary);
// The second of the two.
FileDescriptor create_named(const std::string& target, std::string& temporary);

// Gives the file the name `target`, in the place of what has it. `temporary`: as create_unplaced
// put it; empty where the file has no name. False where that fails; errno says why.
bool put_in_place(const FileDescriptor& file, const std::string& temporary,
                  const std::string& target);

void remove_temporary(const std::string& temporary) noexcept;

}  // namespace subquad::io
