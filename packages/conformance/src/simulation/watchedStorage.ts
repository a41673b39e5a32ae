import type { EventLog, Retention, Storage } from '@mcp-events/server';

export interface StorageWatch {
  /** Told the last position that retention has removed by now, as it is counted here and not as the log says. */
  readonly onRemoved: (name: string, cursor: string) => void;
  /** Told that the log begins later than retention says. */
  readonly onTooFew: (name: string, oldest: number) => void;
  readonly onOpen: (name: string, epoch: string) => void;
}

/** The same storage, which tells where its logs begin, and what became of them. */
export function watchedStorage(storage: Storage, { onRemoved, onTooFew, onOpen }: StorageWatch): Storage {
  const openLog: Storage['openLog'] = (name, retention) => {
    const log = storage.openLog(name, retention);
    onOpen(name, log.epoch);
    return watchedLog(log, retention, {
      onRemoved: (cursor) => onRemoved(name, cursor),
      onTooFew: (oldest) => onTooFew(name, oldest),
    });
  };
  return new Proxy(storage, {
    get: (target, member) => (member === 'openLog' ? openLog : boundMember(target, member)),
  });
}

interface LogWatch {
  readonly onRemoved: (cursor: string) => void;
  readonly onTooFew: (oldest: number) => void;
}

function watchedLog(log: EventLog, { maxCount }: Retention, { onRemoved, onTooFew }: LogWatch): EventLog {
  let told = 0;
  /** It begins there at the earliest, for another reason than the number of events. */
  let begins = log.oldest;
  const look = (): void => {
    const { head, epoch } = log;
    const removed = head - maxCount;
    if (removed <= told) return;
    told = removed;
    const { oldest } = log;
    if (oldest > Math.max(begins, removed + 1)) onTooFew(oldest);
    onRemoved(`${epoch}.${removed}`);
  };
  look();
  return new Proxy(log, {
    get: (target, member) => {
      look();
      if (member === 'clear') begins = target.head + 1;
      return boundMember(target, member);
    },
  });
}

/** Its methods work on the object itself, whose private members a proxy has not. */
function boundMember(target: object, member: string | symbol): unknown {
  const value: unknown = Reflect.get(target, member, target);
  return typeof value === 'function' ? (value.bind(target) as unknown) : value;
}
