/** `MCPE`: tells our files from those of other applications. */
export const APPLICATION_ID = 0x4d_43_50_45;

/** Each takes a file from the version of its index to the next. Never changed once released. */
export const migrations: readonly string[] = [
  `
  -- One row for each past of an event type. A past that was cleared is no longer live; its rows are removed bit by bit.
  CREATE TABLE logs (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    epoch TEXT NOT NULL,
    -- Rows of events before it are only waiting for their removal.
    oldest INTEGER NOT NULL,
    -- At least the position of the newest event; the rows themselves may say more.
    head INTEGER NOT NULL,
    live INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX live_logs ON logs (name) WHERE live = 1;

  CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  -- What was agreed with the client stands apart from what changes with every delivery, so that the latter is small.
  CREATE TABLE subscriptions (id TEXT PRIMARY KEY, agreed TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE subscription_progress (
    id TEXT PRIMARY KEY,
    cursor TEXT,
    -- JSON; null for none.
    settled TEXT,
    suspended INTEGER NOT NULL,
    failing TEXT,
    gap_after TEXT
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    name TEXT NOT NULL,
    event_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    letter TEXT NOT NULL,
    data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX dead_letters_of_subscription ON dead_letters (subscription_id);
  CREATE TABLE dead_letter_totals (count INTEGER NOT NULL, size INTEGER NOT NULL) STRICT;
  INSERT INTO dead_letter_totals VALUES (0, 0);
  CREATE TRIGGER dead_letter_added AFTER INSERT ON dead_letters BEGIN
    UPDATE dead_letter_totals SET count = count + 1, size = size + NEW.size;
  END;
  CREATE TRIGGER dead_letter_removed AFTER DELETE ON dead_letters BEGIN
    UPDATE dead_letter_totals SET count = count - 1, size = size - OLD.size;
  END;
  `,
  `
  -- JSON: the epochs that this one goes on from, each with its newest event that is here as well; null for none.
  ALTER TABLE logs ADD COLUMN ancestors TEXT;
  `,
];

/**
 * The events of one past. A table of its own makes the position the row id: appends go to the end of one tree, and old
 * events leave at its beginning. Sizes and times are running totals and running maxima, so that retention, seeking by
 * time and opening look at a few rows, not all.
 */
export function eventsTable(id: number): string {
  return `
  CREATE TABLE ${eventsTableName(id)} (
    position INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    target TEXT,
    meta TEXT,
    -- When it was appended; never less than that of the event before.
    appended_ms INTEGER NOT NULL,
    -- The latest timestamp of this event and all before it.
    latest_ms INTEGER NOT NULL,
    byte_length INTEGER NOT NULL,
    -- Of all events of this past before it.
    bytes_before INTEGER NOT NULL,
    data TEXT NOT NULL
  ) STRICT;
  `;
}

/** Made when an event of this past is named for the first time: most authors never do, and it costs every append. */
export function eventIdIndex(id: number): string {
  const table = eventsTableName(id);
  return `CREATE INDEX IF NOT EXISTS ${table}_by_event_id ON ${table} (event_id)`;
}

export function eventsTableName(id: number): string {
  return `events_${id}`;
}
