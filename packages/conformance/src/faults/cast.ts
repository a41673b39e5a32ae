/** Every process of a run. `pipedServer` is started by `piped`, its client over standard input and output. */
export const PROCESSES = ['server', 'poller', 'pusher', 'hooked', 'receiver', 'piped', 'pipedServer'] as const;

export type ProcessName = (typeof PROCESSES)[number];

/** Processes that the runner can have end in order: the other one belongs to its client. */
export const STOPPABLE = ['server', 'poller', 'pusher', 'hooked', 'receiver', 'piped'] as const;

export type StoppableName = (typeof STOPPABLE)[number];

/** Processes that webhooks are posted to. */
export const ENDPOINTS = ['hooked', 'receiver', 'piped'] as const;

export type EndpointName = (typeof ENDPOINTS)[number];

/** What lies behind a proxy: where its clients, or those who post to it, come in. */
export const LINKS = ['server', 'hooked', 'receiver', 'piped'] as const;

export type LinkName = (typeof LINKS)[number];

/** File systems small enough to be filled. */
export const DISKS = ['server', 'pipedServer', 'clients'] as const;

export type DiskName = (typeof DISKS)[number];
