// A line of `weft watch`. Pure.
import type { EventV1 } from '../../api/index.ts';
import type { Style } from './style.ts';

/** Width of the longest topic. */
const TOPIC_WIDTH = 8;

/** For example `12:00:03.250  kernel    Repairing drift of kernel state  count=1 ms=4`. */
export function formatEvent({ at, topic, level, message, fields }: EventV1, style: Style): string {
  const paint = level === 'error' ? style.bad : level === 'warn' ? style.warn : style.good;
  const details = Object.entries(fields).map(([name, value]) => `${style.dim(`${name}=`)}${textOf(value)}`);
  return `${style.dim(at.slice(11, 23))}  ${paint(topic.padEnd(TOPIC_WIDTH))}  ${[message, details.join(' ')].filter(Boolean).join('  ')}\n`;
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return `"${value.map(String).join(', ')}"`;
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  const text = String(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
