#include "support/parts.h"

#include <vector>

namespace subquad::testing {

const std::vector<PartCase>& all_parts() {
  static const std::vector<PartCase> parts{
      {"exact"},
      {"sink(3)"},
      {"window(9)"},
      {"band(left=5,right=7)"},
      {"sortlsh(block=32,bits=5)"},
      {"sortlsh(block=16,bits=5,rounds=2,neighbors=1,norm=true)"},
      {"sortlsh(block=24,center=false)"},
      {"sortlsh(block=32,bits=5,strict=false)", Strict::published},
      {"expander(tau=8)", Strict::in_keys},
      {"topk(k=12)"},
      {"topk(k=60)"},
      {"topk(k=12,candidates=lsh,tables=3,bits=4)"},
      {"topk(k=12,candidates=lsh,tables=2,bits=4,norm=true,probes=2)"},
      {"topk(k=12,candidates=clusters,clusters=9,probes=3)"},
      {"topk(k=12,candidates=clusters,clusters=9,probes=3,cluster=kmeans)"},
      {"topk(k=12,candidates=lsh,tables=3,bits=4,strict=false)", Strict::published},
      {"topk(k=12,candidates=clusters,clusters=9,probes=3,strict=false)", Strict::published},
      {"lsh_tables(recall=0.8,alpha=0.2)"},
      {"lsh_tables(recall=0.1,alpha=0.5)"},
      {"antidiagonal(block=16,stride=4,threshold=0.5)"},
      {"antidiagonal(block=32,stride=8,threshold=0.8)"},
      {"antidiagonal(block=16,stride=4,threshold=0.3,strict=false)", Strict::published},
      {"trishape(sink=3,recent=9,last=20)"},
      {"blocktop(block=16,keep=3)"},
      {"blocktop(block=16,keep=3,strict=false)", Strict::published},
      {"drop"},
      {"uniform(m=40)"},
      {"uniform(m=40,replace=true)"},
      {"uniform(m=4000,replace=true)"},
      {"prefix(m=40)"},
      {"rownorm(m=40,d=40)"},
      {"rownorm(m=40,d=40,replace=true)"},
      {"rownorm(m=4000,d=4000,replace=true)"},
      {"rownorm(m=40,d=40,strict=false)", Strict::published},
      {"approxd(m=40)"},
      {"approxd(m=40,cap=3,printed=true)"},
      {"approxd(m=4000,cap=3)"},
      {"approxd(m=40,strict=false)", Strict::published},
      {"recursion(block=16,m=20,base=32)"},
      {"recursion(block=16,m=20,base=32,strict=false)", Strict::published},
      {"hyper(always=true,block=32,m=20,window=16)"},
      {"hyper(always=true,block=32,m=20,base=32,causal=recursion)"},
      {"kmv(always=true,eps=0.2,recall=0.3)"},
      {"linear(map=elu)"},
      {"threshold(t=2.2)"},
      {"chebyshev(g=2,chunk=1)"},
      {"chebyshev(g=2,bound=4,chunk=1,error=0.9)"},
      {"support_basis(t=2.2,degree=2,chunk=1)"},
      {"as23(degree=1,chunk=1)"},
      {"blockmean(block=16)"},
      {"multipole(clusters=16,fit=32,group=16,chunk=64,always=true)", Strict::no},
      {"treecode(error=0.1,leaf=8,chunk=64,window=16,probe_every=4,always=true)", Strict::yes,
       true},
      {"treecode(error=0.3,leaf=16,chunk=96,window=0,probe_every=3)", Strict::yes, true},
      {"far(always=true,clusters=16,fit=32,chunk=64,certify=0)", Strict::yes, true},
      {"delta(step=8)"},
  };
  return parts;
}

}  // namespace subquad::testing
