export { factLine, mergeFacts, readFacts } from './history/factLines.ts';
export { matches } from './history/facts.ts';
export type {
  BegunFact,
  CommittedFact,
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
  ReceivedFact,
  SettledFact,
  StartedFact,
} from './history/facts.ts';
