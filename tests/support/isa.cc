#include "support/isa.h"

#include <string>
#include <vector>

#include "subquad/info.h"

namespace subquad::testing {

IsaScope::IsaScope(const std::string& isa) { select_isa(isa); }

IsaScope::~IsaScope() { select_isa(""); }

TracedIsa::TracedIsa(const std::string& isa)
    : trace_(__FILE__, __LINE__, "isa " + isa), scope_(isa) {}

std::vector<std::string> supported_isas() { return build_info().isa_supported; }

}  // namespace subquad::testing
