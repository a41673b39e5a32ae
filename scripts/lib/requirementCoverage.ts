/** One duty of the catalogue, read from a row of its tables. */
export interface Requirement {
  id: string;
  area: string;
  level: string;
  role: string;
}

/** What `docs/requirements.md` defines. */
export interface Catalogue {
  requirements: Map<string, Requirement>;
  /** Ids of the open points; tests may cite the reading chosen there, but they are not counted. */
  openPoints: Set<string>;
}

/** Where an id is cited: its test files, relative to the repository. */
export type Citations = Map<string, Set<string>>;

/** Ids left out on purpose, with the reason that holds for all of them. */
export interface Gap {
  reason: string;
  ids: string[];
}

/** The comparison of catalogue, tests, lock and explained gaps. */
export interface Coverage {
  areas: AreaCoverage[];
  covered: string[];
  /** Covered now but not yet in the lock. */
  unlocked: string[];
  /** Every reason to fail, each as one sentence that names the remedy. */
  problems: string[];
}

/** The state of one area of the catalogue. */
export interface AreaCoverage {
  area: string;
  total: number;
  covered: number;
  unexplained: Requirement[];
  explained: { requirement: Requirement; reason: string }[];
}

const ROW = /^([A-Z]+)-(\d{2}) \| (MUST|SHOULD|MAY) \| ([a-z, ]+?) \| /;
const OPEN_POINT = /^- \*\*(OP-\d{2}) /;

/** Reads the requirement rows and the open points of the catalogue's Markdown. */
export function parseCatalogue(markdown: string): Catalogue {
  const requirements = new Map<string, Requirement>();
  const openPoints = new Set<string>();
  for (const line of markdown.split('\n')) {
    const [, area, number, level, role] = ROW.exec(line) ?? [];
    if (area && number && level && role) {
      const id = `${area}-${number}`;
      if (requirements.has(id)) throw new Error(`docs/requirements.md defines ${id} twice; ids are never reused.`);
      requirements.set(id, { id, area, level, role });
    }
    const openPoint = OPEN_POINT.exec(line)?.[1];
    if (openPoint) openPoints.add(openPoint);
  }
  return { requirements, openPoints };
}

// Titles also come from `test.each` tables and describe blocks, so every string literal that begins with ids counts as a
// citation; ids further inside a text are prose. Exactly two digits, so that SHA-256 or ISO-8601 are no ids.
const CITATION = /['"`]((?:[A-Z]{2,}-\d{2}(?!\d)[ ,/]+)+)/g;

/** The ids that the string literals of a test file begin with. */
export function citedIds(source: string): string[] {
  const ids = new Set<string>();
  for (const [, list] of source.matchAll(CITATION)) {
    for (const id of list?.match(/[A-Z]+-\d{2}/g) ?? []) ids.add(id);
  }
  return [...ids];
}

/** Collects the citations of all test files, given as [path, source]. */
export function collectCitations(files: Iterable<readonly [path: string, source: string]>): Citations {
  const citations: Citations = new Map();
  for (const [path, source] of files) {
    for (const id of citedIds(source)) {
      const paths = citations.get(id) ?? new Set();
      citations.set(id, paths.add(path));
    }
  }
  return citations;
}

/** Compares the catalogue with what the tests cite, what was once covered and what is left out on purpose. */
export function compareCoverage(
  catalogue: Catalogue,
  citations: Citations,
  lock: readonly string[],
  gaps: readonly Gap[],
): Coverage {
  const problems: string[] = [];
  for (const [id, paths] of citations) {
    if (!catalogue.requirements.has(id) && !catalogue.openPoints.has(id)) {
      problems.push(`${[...paths].join(', ')} cites ${id}, which docs/requirements.md does not define.`);
    }
  }
  for (const id of lock) {
    if (!catalogue.requirements.has(id)) {
      problems.push(`docs/requirements.lock.json holds ${id}, which docs/requirements.md does not define.`);
    } else if (!citations.has(id)) {
      problems.push(`${id} had a test and lost it: restore the test or its title.`);
    }
  }
  const reasons = readGaps(catalogue, citations, gaps, problems);

  const areas = new Map<string, AreaCoverage>();
  const covered: string[] = [];
  for (const requirement of catalogue.requirements.values()) {
    const { id, area: name } = requirement;
    const area = areas.get(name) ?? { area: name, total: 0, covered: 0, unexplained: [], explained: [] };
    areas.set(name, area);
    area.total += 1;
    const reason = reasons.get(id);
    if (citations.has(id)) {
      area.covered += 1;
      covered.push(id);
    } else if (reason === undefined) {
      area.unexplained.push(requirement);
    } else {
      area.explained.push({ requirement, reason });
    }
  }
  covered.sort();
  const locked = new Set(lock);
  return { areas: [...areas.values()], covered, unlocked: covered.filter((id) => !locked.has(id)), problems };
}

function readGaps(
  catalogue: Catalogue,
  citations: Citations,
  gaps: readonly Gap[],
  problems: string[],
): Map<string, string> {
  const reasons = new Map<string, string>();
  for (const { reason, ids } of gaps) {
    for (const id of ids) {
      if (!catalogue.requirements.has(id)) {
        problems.push(`docs/requirements-gaps.json explains ${id}, which docs/requirements.md does not define.`);
      } else if (reasons.has(id)) {
        problems.push(`docs/requirements-gaps.json explains ${id} twice.`);
      } else if (citations.has(id)) {
        problems.push(`${id} has a test now: remove its explanation from docs/requirements-gaps.json.`);
      }
      reasons.set(id, reason);
    }
  }
  return reasons;
}
