#ifndef CORKSCREW_EMBED_ARCHITECTURE_SVG_H_
#define CORKSCREW_EMBED_ARCHITECTURE_SVG_H_

// An architecture for people: as a drawing, and as an outline.

#include <string>

#include "embed/architecture.h"

namespace corkscrew {

// A drawing of the blocks and what flows between them, from the input at the
// top to the vector at the bottom. An SVG 1.1 document; the same architecture
// gives the same bytes.
std::string ArchitectureSvg(const Architecture& architecture);

// The same as lines of text, the steps of a layer indented.
std::string ArchitectureOutline(const Architecture& architecture);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_ARCHITECTURE_SVG_H_
