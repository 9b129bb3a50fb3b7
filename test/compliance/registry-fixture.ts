// What the compliance suite of Registry needs of a store, and data that it uses throughout.
import assert from 'node:assert/strict';
import { RegistryError } from '../../allocator/registry/registry.ts';
import type { Registry, RegistryErrorCode, LeaseId } from '../../allocator/registry/registry.ts';

/**
 * One empty store, reached by two clients and from behind. All `raw` writes bypass the registry
 * under test.
 */
export interface RegistryFixture {
  readonly registry: Registry;
  /** Another client of the same store; the fixture closes it. */
  second(): Registry;
  /** Makes a lease end as if its time were over; resolves when its keys are gone. */
  expireLease(id: LeaseId): Promise<void>;
  /** Forgets all history before the newest revision. */
  compact(): Promise<void>;
  rawPut(key: string, value: string, leaseId?: LeaseId): Promise<void>;
  rawDelete(key: string): Promise<void>;
  /** Writes the config document; removes it if `text` is undefined. */
  putConfig(text: string | undefined): Promise<void>;
  close(): Promise<void>;
}

/** Keys and values of other programs, which a registry must carry unchanged. */
export const UNUSUAL: readonly { readonly what: string; readonly key: string; readonly value: string }[] = [
  { what: 'dual-stack key', key: '10.5.72.0-24&fd00:10:5:72::-64', value: '{"PublicIP":"10.0.0.1"}' },
  { what: 'empty key below subnets/', key: '', value: 'x' },
  { what: 'key with slashes', key: 'a//b/../c', value: 'x' },
  { what: 'key and value beyond ASCII', key: 'schlüssel-😀', value: 'Ω≈ç√ — 😀' },
  { what: 'key with blanks and controls', key: ' \t\n', value: '\u0000\u0001' },
  { what: 'empty value', key: '10.5.1.0-24', value: '' },
  { what: 'value of 100 KB', key: '10.5.2.0-24', value: 'ü'.repeat(50 * 1024) },
];

/** Asserts that `call` rejects with a RegistryError of `code`. */
export async function rejectsWith(code: RegistryErrorCode, call: Promise<unknown>): Promise<RegistryError> {
  const error: unknown = await call.then(
    () => new Error('the call succeeded'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RegistryError, `not a RegistryError: ${String(error)}`);
  assert.equal(error.code, code, error.message);
  return error;
}
