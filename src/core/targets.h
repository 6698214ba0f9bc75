// Which instruction sets the kernels are compiled for. Include before hwy/foreach_target.h.
#pragma once

// SSSE3 machines run the scalar kernels; AVX3_DL adds nothing that we use.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
