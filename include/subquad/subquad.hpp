// Everything the C++ interface offers: every header of this folder but subquad.h, the C interface.
// Each says which calls may run at once and which memory must not overlap.
#pragma once

#include "subquad/attention.h"
#include "subquad/attention_metrics.h"
#include "subquad/certificate.h"
#include "subquad/density.h"
#include "subquad/error.h"
#include "subquad/export.h"
#include "subquad/given.h"
#include "subquad/hyper.h"
#include "subquad/info.h"
#include "subquad/io.h"
#include "subquad/kernel_operator.h"
#include "subquad/kernel_solve.h"
#include "subquad/kernel_sums.h"
#include "subquad/linear_attention.h"
#include "subquad/measure.h"
#include "subquad/parts.h"
#include "subquad/probe.h"
#include "subquad/problem.h"
#include "subquad/spectrum.h"
#include "subquad/tensor.h"
