// Whether this build syncs. One that does not exists to show that the tests notice.
#pragma once

namespace brevdue::backends {

#ifdef BREVDUE_MUTANT_LMDB_NO_SYNC
inline constexpr bool lmdb_syncs = false;
#else
inline constexpr bool lmdb_syncs = true;
#endif

}  // namespace brevdue::backends
