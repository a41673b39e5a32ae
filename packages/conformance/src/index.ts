export { checkHistory } from './history/checkHistory.ts';
export type { CheckOptions } from './history/checkHistory.ts';
export { factLine, mergeFacts, readFacts } from './history/factLines.ts';
export { isFor, matches } from './history/facts.ts';
export type {
  AcknowledgingFact,
  BegunFact,
  CalmFact,
  ClockSetFact,
  CommittedFact,
  DisturbedFact,
  EmitFailedFact,
  EmittedFact,
  EmittingFact,
  EndedFact,
  Fact,
  FactBase,
  FactValue,
  GrantedFact,
  HandedFact,
  KilledFact,
  LossCauseFact,
  ReceivedFact,
  RestoredFact,
  RestoredLog,
  SettledFact,
  StartedFact,
  SubscribedFact,
} from './history/facts.ts';
export { readLogCursor } from './history/positions.ts';
export type { LogPlace, ReadCursor } from './history/positions.ts';
export { describeVerdict } from './history/verdict.ts';
export type { Evidence, HistoryFigures, Verdict, Violation, ViolationKind } from './history/verdict.ts';
