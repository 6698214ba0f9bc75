// What the pages share: their frame, facts about the run.
#pragma once

#include <string>

#include "run_record.h"

namespace subquad::cli {

// The whole document around `body`.
std::string html_page(const std::string& title, const std::string& body);

std::string html_code(const std::string& text);  // it may break after each part
std::string html_fact(const char* name, const std::string& text);
// Date, version, processor, instruction set and threads.
std::string machine_facts(const MachineRecord& machine);

}  // namespace subquad::cli
