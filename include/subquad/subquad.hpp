// Everything the C++ interface offers.
#pragma once

#include "subquad/attention.h"
#include "subquad/certificate.h"
#include "subquad/error.h"
#include "subquad/given.h"
#include "subquad/hyper.h"
#include "subquad/info.h"
#include "subquad/probe.h"
#include "subquad/problem.h"
#include "subquad/tensor.h"
