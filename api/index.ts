// The public interface of the control socket, version 1: every type that daemon, command line,
// metrics and page share.
export * from './devices.ts';
export type * from './drain.ts';
export * from './errors.ts';
export * from './events.ts';
export * from './leases.ts';
export * from './page.ts';
export type * from './peer-requests.ts';
export * from './peers.ts';
export * from './ping.ts';
export * from './route.ts';
export * from './settings.ts';
export * from './status.ts';
export * from './version.ts';
