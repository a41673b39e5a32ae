import type { EventLog, Retention, Storage } from '@mcp-events/server';

export interface StorageWatch {
  /** Told the last position that retention has removed by now, as it is counted here and not as the log says. */
  readonly onRemoved: (name: string, cursor: string) => void;
  readonly onOpen: (name: string, epoch: string) => void;
}

/** The same storage, which tells where its logs begin, and what became of them. */
export function watchedStorage(storage: Storage, { onRemoved, onOpen }: StorageWatch): Storage {
  const openLog: Storage['openLog'] = (name, retention) => {
    const log = storage.openLog(name, retention);
    onOpen(name, log.epoch);
    return watchedLog(log, retention, (cursor) => onRemoved(name, cursor));
  };
  return new Proxy(storage, {
    get: (target, member) => (member === 'openLog' ? openLog : boundMember(target, member)),
  });
}

function watchedLog(log: EventLog, { maxCount }: Retention, onRemoved: (cursor: string) => void): EventLog {
  let told = 0;
  const look = (): void => {
    const { head, epoch } = log;
    const removed = head - maxCount;
    if (removed <= told) return;
    told = removed;
    onRemoved(`${epoch}.${removed}`);
  };
  look();
  return new Proxy(log, {
    get: (target, member) => {
      look();
      return boundMember(target, member);
    },
  });
}

/** Its methods work on the object itself, whose private members a proxy has not. */
function boundMember(target: object, member: string | symbol): unknown {
  const value: unknown = Reflect.get(target, member, target);
  return typeof value === 'function' ? (value.bind(target) as unknown) : value;
}
