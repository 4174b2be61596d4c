// Between what a link carries of a slice and what the checkpoint room knows of it. Used by both ends of a weights connection.
#pragma once

#include "tandem/checkpoint/slice_manifest.h"
#include "tandem/link/messages.h"

namespace tandem::cluster {

link::ShareMessage to_message(const checkpoint::Share& share);
checkpoint::Share from_message(const link::ShareMessage& message);

/// `stage` and `model` are the caller's to set.
link::PrepareSlice to_message(const checkpoint::SliceManifest& manifest, const checkpoint::Share& share);
/// Throws Error{kCorrupt} on unknown dtypes, sizes that overflow, or what checkpoint::check_manifest refuses.
checkpoint::SliceManifest manifest_of(const link::PrepareSlice& message);

}  // namespace tandem::cluster
