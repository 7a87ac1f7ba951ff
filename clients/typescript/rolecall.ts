// Made by `make clients` from the service's OpenAPI 6e7a2601cb00c071; edit the schemas, not this file.

export interface paths {
    "/v1/recommend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Jobs for a member */
        post: operations["recommend_v1_recommend_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Jobs for a query */
        post: operations["search_v1_search_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/similar": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Jobs like a job */
        post: operations["similar_v1_similar_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/surfaces/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Jobs of a surface of the workspace
         * @description The body is that of /v1/search, /v1/recommend or /v1/similar, by what the surface `asks`; the answer has the fields that the surface names, else all.
         */
        post: operations["surface_v1_surfaces__name__post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/suggestions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * What would narrow a search
         * @description The body is that of /v1/search; `k` is how many suggestions at most, `facets` whose values they are. Each says what it would add to the search and how many jobs it would leave. What a list is cut and arranged by (`sort`, `diversity`, `per_company`, `min_good_match`) changes nothing here.
         */
        post: operations["suggestions_v1_suggestions_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/next": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Further jobs of an answer */
        post: operations["next_jobs_v1_next_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/rerank": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Documents for a query */
        post: operations["rerank_v1_rerank_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/candidates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Members for a job */
        post: operations["candidates_v1_candidates_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/explain/{request_id}/{job_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Why a job? */
        get: operations["explain_v1_explain__request_id___job_id__get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * What members did
         * @description One event (an object) is taken in or refused; of several (a list) the reply says what became of each.
         */
        post: operations["events_v1_events_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Is the process alive? */
        get: operations["healthz_healthz_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Can it answer? */
        get: operations["readyz_readyz_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Counters in Prometheus' text format
         * @description Of all processes that answer at the port (`rolecall serve --workers`), by the label `process`.
         */
        get: operations["metrics_metrics_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/members/{member_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Erase a member
         * @description At once from this process and the online store. What remains elsewhere, and until when, the answer says.
         */
        delete: operations["erase_v1_members__member_id__delete"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What could serve? */
        get: operations["versions_v1_admin_versions_get"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/swap": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Serve another index and its bundle
         * @description Loaded, checked and warmed beside what is served, which goes on meanwhile and where that fails (409). Then CURRENT names it, and every process of the workspace follows.
         */
        post: operations["swap_v1_admin_swap_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/admin/rollback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Serve an earlier index and its bundle again
         * @description As a swap, to the newest index before the current one where none is named.
         */
        post: operations["rollback_v1_admin_rollback_post"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * Answer
         * @description The jobs for a request, best first, and how they came about.
         */
        Answer: {
            /** Request Id */
            request_id: string;
            /**
             * Surface
             * @description What was asked, by the name of its file.
             */
            surface: string;
            /**
             * Member Known
             * @description Null where the feature store did not say.
             */
            member_known: boolean | null;
            /** Results */
            results: components["schemas"]["Result"][];
            /** Bundle Version */
            bundle_version: string;
            /** Index Version */
            index_version: string;
            /** Text Version */
            text_version: string;
            objective: components["schemas"]["ObjectiveUsed"];
            /**
             * Depth
             * @description Candidates that the student scored, the best of those found; fewer under load, 0 where the order is that of retrieval.
             */
            depth: number;
            /**
             * Arm
             * @description The arm of a trial that the member is in; empty: none.
             * @default
             */
            arm: string;
            /** @description That the list was drawn by chance, so that a log can be learned from; null: it was not. */
            explored?: components["schemas"]["Explored"] | null;
            /** Rules Version */
            rules_version: string;
            /**
             * Sort
             * @description What the list is in the order of: of `best`, by the objective.
             * @enum {string}
             */
            sort: "best" | "date" | "distance" | "pay";
            /**
             * Facets
             * @description Attribute -> its values among the jobs that may be shown and, of a query, hold a word of it.
             */
            facets: {
                [key: string]: components["schemas"]["FacetValue"][];
            };
            /**
             * Removed
             * @description Rule from member feedback -> jobs that it kept out.
             */
            removed: {
                [key: string]: number;
            };
            /**
             * Understood
             * @description The conditions that were read in the query, each of which `ignore` turns off.
             * @default []
             */
            understood: components["schemas"]["Chip"][];
            /**
             * Notes
             * @description What the filter asks for in vain: values that no job has, jobs that do not say what it compares.
             */
            notes: string[];
            /**
             * Uncalibrated
             * @description Tasks that are ranked by but not in `scores`: too few labels say how likely they are.
             */
            uncalibrated: string[];
            /**
             * Degraded
             * @description Stages that could not answer or ran out of time, and were done without.
             */
            degraded: string[];
            /** Timings Ms */
            timings_ms: {
                [key: string]: number;
            };
        };
        /**
         * AnyOf
         * @description Holds for a job that has at least one of the values.
         */
        AnyOf: {
            /** Attribute */
            attribute: string;
            /** Any Of */
            any_of: string[];
            /**
             * Not
             * @default false
             */
            not: boolean;
        };
        /**
         * AnyRequest
         * @description A request to some surface, for the API's page.
         */
        AnyRequest: components["schemas"]["SearchRequest"] | components["schemas"]["SimilarRequest"] | components["schemas"]["RecommendRequest"];
        /**
         * CandidatesAnswer
         * @description The members for a job, best first.
         */
        CandidatesAnswer: {
            /** Request Id */
            request_id: string;
            /** Surface */
            surface: string;
            /** Job Id */
            job_id: string;
            /** Results */
            results: components["schemas"]["MemberResult"][];
            /**
             * Near
             * @description Members near to the job that were looked at.
             */
            near: number;
            /**
             * Read
             * @description Those of them whom the student read.
             */
            read: number;
            /** Bundle Version */
            bundle_version: string;
            /** Index Version */
            index_version: string;
            /** Text Version */
            text_version: string;
            /**
             * Degraded
             * @description Stages that ran out of time or failed; members are missing then.
             */
            degraded: string[];
            /** Timings Ms */
            timings_ms: {
                [key: string]: number;
            };
        };
        /**
         * Chip
         * @description One condition that was read in a query. It is turned off by its id in the request's `ignore`.
         */
        Chip: {
            /**
             * Id
             * @description Put it into the request's `ignore` to have these words taken as typed.
             */
            id: string;
            /**
             * Text
             * @description The words of the query that say it.
             */
            text: string;
            /**
             * Field
             * @description What it is about; `words`: words that must not be in the title.
             * @enum {string}
             */
            field: "place" | "company" | "workplace" | "employment" | "seniority" | "pay" | "recency" | "words" | "spelling";
            /**
             * Kind
             * @description `filter`: other jobs are left out; `demotion`: they come after all that fit; `exclusion`: what fits is left out; `spelling`: a word that no job has was read as one that jobs have.
             * @enum {string}
             */
            kind: "filter" | "demotion" | "exclusion" | "spelling";
            /** Value */
            value: string;
            /**
             * Label
             * @description What it means, in words.
             */
            label: string;
            /**
             * Relaxed
             * @description It was a filter that few jobs of the words pass: it demotes instead.
             * @default false
             */
            relaxed: boolean;
        };
        /**
         * Circle
         * @description All that lies within a distance of a town, or of a point in degrees: one of the two, and `km` or `miles`.
         */
        Circle: {
            /** Place */
            place?: string | null;
            /** Latitude */
            latitude?: number | null;
            /** Longitude */
            longitude?: number | null;
            /** Km */
            km?: number | null;
            /** Miles */
            miles?: number | null;
        };
        /**
         * Distance
         * @description From the request's place to the nearest of a job's.
         */
        Distance: {
            /**
             * Km
             * @description Kilometres as the crow flies; null where one of the two is not known.
             */
            km: number | null;
            /** Miles */
            miles: number | null;
            /**
             * Commute
             * @description `remote`; else `nearby` up to 10 km, `commute` up to 40, `long_commute` up to 80, `away` beyond.
             * @enum {string}
             */
            commute: "remote" | "nearby" | "commute" | "long_commute" | "away";
        };
        /**
         * Document
         * @description A document as an object; fields beside its text are read over.
         */
        Document: {
            /** Text */
            text: string;
        };
        /** Education */
        Education: {
            /**
             * School
             * @default
             */
            school: string;
            /**
             * Degree
             * @default
             */
            degree: string;
            /**
             * Field
             * @default
             */
            field: string;
        };
        /**
         * Either
         * @description Holds where at least one of its conditions holds.
         */
        Either: {
            /** Either */
            either: (components["schemas"]["AnyOf"] | components["schemas"]["Range"] | components["schemas"]["Within"])[];
        };
        /**
         * EraseReply
         * @description What became of a member.
         */
        EraseReply: {
            /**
             * Erased
             * @description What holds nothing of the member any more: of the process that answered, and the online store.
             */
            erased: string[];
            /**
             * Refused
             * @description What every process on this workspace does from now on.
             */
            refused: string[];
            /** Remains */
            remains: components["schemas"]["Remains"][];
            /**
             * Degraded
             * @description "features" where the online store could not be asked.
             * @default []
             */
            degraded: string[];
        };
        /** EventsReply */
        EventsReply: {
            /**
             * Accepted
             * @description New events.
             */
            accepted: number;
            /**
             * Duplicates
             * @description Events whose id was posted before, which change nothing.
             */
            duplicates: number;
            /** Rejected */
            rejected: number;
            /** Reasons */
            reasons: components["schemas"]["Rejected"][];
            /**
             * Degraded
             * @description "features" where events were logged but the next answer does not know of them yet.
             * @default []
             */
            degraded: string[];
        };
        /** ExplainReply */
        ExplainReply: {
            /** Request Id */
            request_id: string;
            /** Job Id */
            job_id: string;
            /**
             * Time
             * Format: date-time
             */
            time: string;
            /**
             * Surface
             * @enum {string}
             */
            surface: "search" | "recommendation";
            /** Rank */
            rank: number;
            /** Score */
            score: number;
            /**
             * Good Match
             * @description Calibrated probability that the judge grades it 3 or 4.
             */
            good_match: number | null;
            objective: components["schemas"]["ObjectiveUsed"];
            /**
             * Bundle Version
             * @description Of the bundle that ranked the answer: its score is that of the list.
             */
            bundle_version: string;
            /** Index Version */
            index_version: string;
            /**
             * Depth
             * @description Candidates that the student scored for that answer.
             */
            depth: number;
            /**
             * Propensity
             * @description With which a list that was drawn by chance has the job at its place; null: it was not.
             */
            propensity?: number | null;
            explanation: components["schemas"]["Explanation"];
        };
        /**
         * Explanation
         * @description Why a job stands where it stands.
         */
        Explanation: {
            /** Found By */
            found_by: string[];
            /** Probabilities */
            probabilities: {
                [key: string]: number;
            };
            /**
             * Contributions
             * @description What each input of the blend adds to the score, the largest size first; empty without a blend.
             */
            contributions: {
                [key: string]: number;
            };
            /**
             * Demoted By
             * @description The rules for which the job stands after those that no rule demotes.
             * @default []
             */
            demoted_by: string[];
            /**
             * Match
             * @description The comparisons that moved the job's relevance, the largest effect first.
             * @default []
             */
            match: components["schemas"]["MatchEffect"][];
            /**
             * Words
             * @description Facts of the request and the job: what moved the job up, then the drawbacks that moved it down.
             */
            words: string[];
        };
        /**
         * Explored
         * @description That a list was drawn by chance, and how.
         */
        Explored: {
            /**
             * Temperature
             * @description By which scores were divided.
             */
            temperature: number;
            /**
             * First
             * @description The first place that was drawn.
             */
            first: number;
            /**
             * Joint
             * @description Probability of this list.
             */
            joint: number;
        };
        /**
         * FacetValue
         * @description One value, how many jobs have it, and the clause that asks for these.
         */
        FacetValue: {
            /** Value */
            value: string;
            /** Count */
            count: number;
            /**
             * Clause
             * @description To be added to `filter.all`.
             */
            clause: {
                [key: string]: unknown;
            };
        };
        /**
         * Filter
         * @description All clauses must hold.
         */
        Filter: {
            /**
             * All
             * @default []
             */
            all: (components["schemas"]["AnyOf"] | components["schemas"]["Range"] | components["schemas"]["Within"] | components["schemas"]["Either"])[];
        };
        /**
         * MatchEffect
         * @description What one comparison of the request and the job does to the job's relevance.
         */
        MatchEffect: {
            /**
             * Name
             * @description Of the comparison, as in `contracts.match.COMPARISONS`.
             */
            name: string;
            /**
             * Words
             * @description Its name and what it found in the texts, such as `skills: most`.
             */
            words: string;
            /**
             * Bin
             * @description What it found, as the number of the bin.
             */
            bin: number;
            /**
             * Dimension
             * @description Of the product policy, that the comparison speaks to; empty: of none.
             * @default
             */
            dimension: string;
            /**
             * Effect
             * @description The relevance logit less that of the same job where this is not known.
             */
            effect: number;
        };
        /**
         * MemberResult
         * @description One member of an answer.
         */
        MemberResult: {
            /** Rank */
            rank: number;
            /** Member Id */
            member_id: string;
            /**
             * Score
             * @description The student's relevance, comparable among the members of one job.
             */
            score: number;
            /**
             * Scores
             * @description Task -> calibrated probability.
             */
            scores: {
                [key: string]: number;
            };
            /**
             * Good Match
             * @description Probability that the judge grades the pair 3 or 4; null: not known.
             */
            good_match: number | null;
            /**
             * Why
             * @description Facts of the comparison of member and job.
             */
            why: string[];
        };
        /**
         * ObjectiveUsed
         * @description By what an answer was put in order.
         */
        ObjectiveUsed: {
            /**
             * Order
             * @description `blend`: what members choose, beside the policy; `relevance`: the policy alone; `retrieval`: as retrieved.
             * @enum {string}
             */
            order: "blend" | "relevance" | "retrieval";
            /**
             * Weight
             * @description Weight of the policy beside the blend.
             */
            weight: number;
            /**
             * Floor
             * @description Probability of a good match below which jobs come after all that reach it; 0: none.
             */
            floor: number;
            /**
             * Passed
             * @description Ranked jobs that reach the floor; null where nobody can say.
             */
            passed: number | null;
            /**
             * Why
             * @description Why it is this order.
             */
            why: string;
        };
        /**
         * Position
         * @description One job that a member held; `end` is None while they hold it.
         */
        Position: {
            /** Title */
            title: string;
            /**
             * Company
             * @default
             */
            company: string;
            /**
             * Industry
             * @default
             */
            industry: string;
            /** Start */
            start?: string | null;
            /** End */
            end?: string | null;
            /**
             * Description
             * @default
             */
            description: string;
        };
        /**
         * Preferences
         * @description What a member says they look for. Empty means no stated wish. `salary_min` is by the year; it may be in words,
         *     as "$25 an hour".
         */
        Preferences: {
            /**
             * Titles
             * @default []
             */
            titles: string[];
            /**
             * Locations
             * @default []
             */
            locations: string[];
            /**
             * Workplace
             * @default []
             */
            workplace: ("onsite" | "hybrid" | "remote")[];
            /** Salary Min */
            salary_min?: number | null;
        };
        /**
         * Problem
         * @description The body of every answer that is not a success.
         */
        Problem: {
            /** Reason */
            reason: string;
            /** Message */
            message: string;
            /** Field */
            field?: string | null;
        };
        /**
         * Profile
         * @description What a member would say of themselves: the fields of a member record, all of them optional.
         *
         *     Values are read as those of records are: a level in words, a date as people write it.
         */
        Profile: {
            /**
             * Headline
             * @default
             */
            headline: string;
            /**
             * Summary
             * @default
             */
            summary: string;
            /**
             * Location
             * @default
             */
            location: string;
            /** Seniority */
            seniority?: ("intern" | "entry" | "mid" | "senior" | "lead" | "director" | "executive") | null;
            /**
             * Skills
             * @default []
             */
            skills: string[];
            /**
             * Positions
             * @default []
             */
            positions: components["schemas"]["Position"][];
            /**
             * Education
             * @default []
             */
            education: components["schemas"]["Education"][];
            /**
             * @default {
             *       "titles": [],
             *       "locations": [],
             *       "workplace": []
             *     }
             */
            preferences: components["schemas"]["Preferences"];
        };
        /**
         * Range
         * @description Holds for a job whose number or time lies between the ends, both included; at least one end is given.
         *
         *     Pay is compared in one currency, that of most jobs where none is given.
         */
        Range: {
            /** Attribute */
            attribute: string;
            /** At Least */
            at_least?: number | string | null;
            /** At Most */
            at_most?: number | string | null;
            /** Currency */
            currency?: string | null;
            /**
             * Not
             * @default false
             */
            not: boolean;
        };
        /**
         * RecommendRequest
         * @example {
         *       "k": 10,
         *       "member_id": "m0000001"
         *     }
         * @example {
         *       "filter": {
         *         "all": [
         *           {
         *             "any_of": [
         *               "onsite",
         *               "hybrid"
         *             ],
         *             "attribute": "workplace"
         *           }
         *         ]
         *       },
         *       "profile": {
         *         "headline": "Registered nurse",
         *         "location": "Austin, Texas",
         *         "skills": [
         *           "triage"
         *         ]
         *       }
         *     }
         */
        RecommendRequest: {
            /**
             * Member Id
             * @description Empty for someone who is not signed in; an unknown id is no error.
             * @default
             */
            member_id: string;
            /** @description Used in place of the member's stored text, and so the way to serve someone new. */
            profile?: components["schemas"]["Profile"] | null;
            /**
             * K
             * @description How many jobs; fewer come back where fewer fit.
             * @default 20
             */
            k: number;
            /**
             * @default {
             *       "all": []
             *     }
             */
            filter: components["schemas"]["Filter"];
            /**
             * Exclude
             * @description Jobs that must not be in the answer.
             * @default []
             */
            exclude: string[];
            /**
             * Location
             * @description "City, Region", where it is not the member's own.
             * @default
             */
            location: string;
            /**
             * Hide Companies
             * @description Companies none of whose jobs may be in the answer.
             * @default []
             */
            hide_companies: string[];
            /**
             * Sort
             * @description `best`: by the objective; the others put what was found in their order.
             * @default best
             * @enum {string}
             */
            sort: "best" | "date" | "distance" | "pay";
            /**
             * Diversity
             * @description Weight of being unlike the jobs that stand before, beside the score; 0: none.
             * @default 0
             */
            diversity: number;
            /**
             * Per Company
             * @description Most jobs of one company in the answer; null: no cap but the index's.
             */
            per_company?: number | null;
            /**
             * Min Good Match
             * @description Calibrated probability of a good match below which a job is left out; 0: none is.
             * @default 0
             */
            min_good_match: number;
            /**
             * Facets
             * @description Attributes whose values are counted beside the answer, each without its own clause.
             * @default []
             */
            facets: string[];
            /** @description Another weight of the policy or floor than the bundle's, within the bounds that it states. */
            objective?: components["schemas"]["Wish"] | null;
        };
        /** Rejected */
        Rejected: {
            /**
             * Index
             * @description The event's place in the post, from 0.
             */
            index: number;
            /** Reason */
            reason: string;
            /** Message */
            message: string;
        };
        /**
         * Remains
         * @description What of an erased member is not gone yet.
         */
        Remains: {
            /** What */
            what: string;
            /**
             * Until
             * @description When it has to be gone; null: `what` says by which event.
             */
            until?: string | null;
        };
        /**
         * RerankAnswer
         * @description The documents, the most relevant first.
         */
        RerankAnswer: {
            /** Id */
            id: string;
            /**
             * Model
             * @description Version of the bundle.
             */
            model: string;
            /** Results */
            results: components["schemas"]["Reranked"][];
        };
        Reranked: {
            [key: string]: unknown;
        };
        /**
         * Result
         * @description One job of an answer.
         */
        Result: {
            /** Rank */
            rank: number;
            /** Job Id */
            job_id: string;
            /**
             * Score
             * @description What the list is ordered by, comparable within one answer only. Where a company's share of the first places is limited, a job may stand below one of a lower score.
             */
            score: number;
            /**
             * Scores
             * @description Task -> calibrated probability, which may be held against a threshold; empty where the student did not rank.
             */
            scores: {
                [key: string]: number;
            };
            /**
             * Good Match
             * @description Calibrated probability that the judge grades it 3 or 4, which the floor compares; null where nobody can say.
             */
            good_match: number | null;
            /**
             * Found By
             * @description The retrieval sources that found it.
             */
            found_by: string[];
            /**
             * Why
             * @description The strongest facts that speak for it, and the rules that put it after the others, in words.
             */
            why: string[];
            /**
             * Also
             * @description Near-duplicates of it that were found too and are not listed, best first.
             */
            also: string[];
            /** @description From the request's place; null where one of the two is not known and the job is not remote. */
            distance: components["schemas"]["Distance"] | null;
            /** Title */
            title: string;
            /** Company */
            company: string;
            /** Location */
            location: string;
            /** Workplace */
            workplace: ("onsite" | "hybrid" | "remote") | null;
            /** Employment */
            employment: ("full_time" | "part_time" | "contract" | "temporary" | "internship" | "volunteer") | null;
            /** Seniority */
            seniority: ("intern" | "entry" | "mid" | "senior" | "lead" | "director" | "executive") | null;
            /** Industry */
            industry: string;
            /** Salary Min */
            salary_min: number | null;
            /** Salary Max */
            salary_max: number | null;
            /** Currency */
            currency: string;
            /**
             * Salary Period
             * @enum {string}
             */
            salary_period: "year" | "month" | "week" | "day" | "hour";
            /** Posted At */
            posted_at: string | null;
            /**
             * First Posted At
             * @description When the same advert was posted for the first time.
             */
            first_posted_at: string | null;
            /**
             * Reposts
             * @description How often the same advert had been posted before.
             */
            reposts: number;
            /** Expires At */
            expires_at: string | null;
            /**
             * Read Out
             * @description Fields that nobody gave and that were read out of title and description; pay: all fields of pay.
             */
            read_out: ("skills" | "seniority" | "workplace" | "employment" | "pay" | "location")[];
        };
        /**
         * SearchRequest
         * @example {
         *       "k": 10,
         *       "query": "night shift nurse"
         *     }
         */
        SearchRequest: {
            /**
             * Member Id
             * @description Empty for someone who is not signed in; an unknown id is no error.
             * @default
             */
            member_id: string;
            /** @description Used in place of the member's stored text, and so the way to serve someone new. */
            profile?: components["schemas"]["Profile"] | null;
            /**
             * K
             * @description How many jobs; fewer come back where fewer fit.
             * @default 20
             */
            k: number;
            /**
             * @default {
             *       "all": []
             *     }
             */
            filter: components["schemas"]["Filter"];
            /**
             * Exclude
             * @description Jobs that must not be in the answer.
             * @default []
             */
            exclude: string[];
            /**
             * Location
             * @description "City, Region", where it is not the member's own.
             * @default
             */
            location: string;
            /**
             * Hide Companies
             * @description Companies none of whose jobs may be in the answer.
             * @default []
             */
            hide_companies: string[];
            /**
             * Sort
             * @description `best`: by the objective; the others put what was found in their order.
             * @default best
             * @enum {string}
             */
            sort: "best" | "date" | "distance" | "pay";
            /**
             * Diversity
             * @description Weight of being unlike the jobs that stand before, beside the score; 0: none.
             * @default 0
             */
            diversity: number;
            /**
             * Per Company
             * @description Most jobs of one company in the answer; null: no cap but the index's.
             */
            per_company?: number | null;
            /**
             * Min Good Match
             * @description Calibrated probability of a good match below which a job is left out; 0: none is.
             * @default 0
             */
            min_good_match: number;
            /**
             * Facets
             * @description Attributes whose values are counted beside the answer, each without its own clause.
             * @default []
             */
            facets: string[];
            /** @description Another weight of the policy or floor than the bundle's, within the bounds that it states. */
            objective?: components["schemas"]["Wish"] | null;
            /** Query */
            query: string;
            /**
             * As Typed
             * @description Read no condition in the query, and mend no word.
             * @default false
             */
            as_typed: boolean;
            /**
             * Ignore
             * @description Ids of `understood` whose words are taken as typed; an exclusion is dropped.
             * @default []
             */
            ignore: string[];
        };
        /**
         * ShapedAnswer
         * @description `Answer` with the fields that its surface names; `request_id`, `results` and `degraded` are always there.
         */
        ShapedAnswer: {
            /** Request Id */
            request_id?: string;
            /**
             * Surface
             * @description What was asked, by the name of its file.
             */
            surface?: string;
            /**
             * Member Known
             * @description Null where the feature store did not say.
             */
            member_known?: boolean | null;
            /** Results */
            results?: components["schemas"]["ShapedResult"][];
            /** Bundle Version */
            bundle_version?: string;
            /** Index Version */
            index_version?: string;
            /** Text Version */
            text_version?: string;
            objective?: components["schemas"]["ObjectiveUsed"];
            /**
             * Depth
             * @description Candidates that the student scored, the best of those found; fewer under load, 0 where the order is that of retrieval.
             */
            depth?: number;
            /**
             * Arm
             * @description The arm of a trial that the member is in; empty: none.
             * @default
             */
            arm: string;
            /** @description That the list was drawn by chance, so that a log can be learned from; null: it was not. */
            explored?: components["schemas"]["Explored"] | null;
            /** Rules Version */
            rules_version?: string;
            /**
             * Sort
             * @description What the list is in the order of: of `best`, by the objective.
             * @enum {string}
             */
            sort?: "best" | "date" | "distance" | "pay";
            /**
             * Facets
             * @description Attribute -> its values among the jobs that may be shown and, of a query, hold a word of it.
             */
            facets?: {
                [key: string]: components["schemas"]["FacetValue"][];
            };
            /**
             * Removed
             * @description Rule from member feedback -> jobs that it kept out.
             */
            removed?: {
                [key: string]: number;
            };
            /**
             * Understood
             * @description The conditions that were read in the query, each of which `ignore` turns off.
             * @default []
             */
            understood: components["schemas"]["Chip"][];
            /**
             * Notes
             * @description What the filter asks for in vain: values that no job has, jobs that do not say what it compares.
             */
            notes?: string[];
            /**
             * Uncalibrated
             * @description Tasks that are ranked by but not in `scores`: too few labels say how likely they are.
             */
            uncalibrated?: string[];
            /**
             * Degraded
             * @description Stages that could not answer or ran out of time, and were done without.
             */
            degraded?: string[];
            /** Timings Ms */
            timings_ms?: {
                [key: string]: number;
            };
        };
        /**
         * ShapedPage
         * @description `NextAnswer` with the fields that its surface names; `request_id`, `results` and `more` are always there.
         */
        ShapedPage: {
            /**
             * Request Id
             * @description That of the first page, by which events and explanations name it.
             */
            request_id?: string;
            /** Surface */
            surface?: string;
            /**
             * Results
             * @description Ranks go on; a job that has closed since is left out.
             */
            results?: components["schemas"]["ShapedResult"][];
            /**
             * Bundle Version
             * @description Of the bundle that ranked the answer, which another may serve since.
             */
            bundle_version?: string;
            /** Index Version */
            index_version?: string;
            objective?: components["schemas"]["ObjectiveUsed"];
            /**
             * More
             * @description Whether there are further jobs.
             */
            more?: boolean;
        };
        /**
         * ShapedResult
         * @description One job of an answer whose surface may name its fields; `job_id` is always there.
         */
        ShapedResult: {
            /** Rank */
            rank?: number;
            /** Job Id */
            job_id?: string;
            /**
             * Score
             * @description What the list is ordered by, comparable within one answer only. Where a company's share of the first places is limited, a job may stand below one of a lower score.
             */
            score?: number;
            /**
             * Scores
             * @description Task -> calibrated probability, which may be held against a threshold; empty where the student did not rank.
             */
            scores?: {
                [key: string]: number;
            };
            /**
             * Good Match
             * @description Calibrated probability that the judge grades it 3 or 4, which the floor compares; null where nobody can say.
             */
            good_match?: number | null;
            /**
             * Found By
             * @description The retrieval sources that found it.
             */
            found_by?: string[];
            /**
             * Why
             * @description The strongest facts that speak for it, and the rules that put it after the others, in words.
             */
            why?: string[];
            /**
             * Also
             * @description Near-duplicates of it that were found too and are not listed, best first.
             */
            also?: string[];
            /** @description From the request's place; null where one of the two is not known and the job is not remote. */
            distance?: components["schemas"]["Distance"] | null;
            /** Title */
            title?: string;
            /** Company */
            company?: string;
            /** Location */
            location?: string;
            /** Workplace */
            workplace?: ("onsite" | "hybrid" | "remote") | null;
            /** Employment */
            employment?: ("full_time" | "part_time" | "contract" | "temporary" | "internship" | "volunteer") | null;
            /** Seniority */
            seniority?: ("intern" | "entry" | "mid" | "senior" | "lead" | "director" | "executive") | null;
            /** Industry */
            industry?: string;
            /** Salary Min */
            salary_min?: number | null;
            /** Salary Max */
            salary_max?: number | null;
            /** Currency */
            currency?: string;
            /**
             * Salary Period
             * @enum {string}
             */
            salary_period?: "year" | "month" | "week" | "day" | "hour";
            /** Posted At */
            posted_at?: string | null;
            /**
             * First Posted At
             * @description When the same advert was posted for the first time.
             */
            first_posted_at?: string | null;
            /**
             * Reposts
             * @description How often the same advert had been posted before.
             */
            reposts?: number;
            /** Expires At */
            expires_at?: string | null;
            /**
             * Read Out
             * @description Fields that nobody gave and that were read out of title and description; pay: all fields of pay.
             */
            read_out?: ("skills" | "seniority" | "workplace" | "employment" | "pay" | "location")[];
        };
        /**
         * SimilarRequest
         * @example {
         *       "job_id": "j0000007",
         *       "k": 5
         *     }
         */
        SimilarRequest: {
            /**
             * Member Id
             * @description Empty for someone who is not signed in; an unknown id is no error.
             * @default
             */
            member_id: string;
            /** @description Used in place of the member's stored text, and so the way to serve someone new. */
            profile?: components["schemas"]["Profile"] | null;
            /**
             * K
             * @description How many jobs; fewer come back where fewer fit.
             * @default 20
             */
            k: number;
            /**
             * @default {
             *       "all": []
             *     }
             */
            filter: components["schemas"]["Filter"];
            /**
             * Exclude
             * @description Jobs that must not be in the answer.
             * @default []
             */
            exclude: string[];
            /**
             * Location
             * @description "City, Region", where it is not the member's own.
             * @default
             */
            location: string;
            /**
             * Hide Companies
             * @description Companies none of whose jobs may be in the answer.
             * @default []
             */
            hide_companies: string[];
            /**
             * Sort
             * @description `best`: by the objective; the others put what was found in their order.
             * @default best
             * @enum {string}
             */
            sort: "best" | "date" | "distance" | "pay";
            /**
             * Diversity
             * @description Weight of being unlike the jobs that stand before, beside the score; 0: none.
             * @default 0
             */
            diversity: number;
            /**
             * Per Company
             * @description Most jobs of one company in the answer; null: no cap but the index's.
             */
            per_company?: number | null;
            /**
             * Min Good Match
             * @description Calibrated probability of a good match below which a job is left out; 0: none is.
             * @default 0
             */
            min_good_match: number;
            /**
             * Facets
             * @description Attributes whose values are counted beside the answer, each without its own clause.
             * @default []
             */
            facets: string[];
            /** @description Another weight of the policy or floor than the bundle's, within the bounds that it states. */
            objective?: components["schemas"]["Wish"] | null;
            /**
             * Job Id
             * @description The job that others are to be like.
             */
            job_id: string;
        };
        /**
         * Suggestion
         * @description One way to narrow a search.
         */
        Suggestion: {
            /**
             * Kind
             * @enum {string}
             */
            kind: "filter" | "phrase";
            /**
             * Attribute
             * @description Of the filter; empty for a phrase.
             */
            attribute: string;
            /** Value */
            value: string;
            /**
             * Label
             * @description In words, for a link or a chip.
             */
            label: string;
            /**
             * Count
             * @description Jobs that may be shown, hold a word of the query and have it.
             */
            count: number;
            /**
             * Score
             * @description See `scored_by` of the answer; comparable within one answer.
             */
            score: number;
            /**
             * Clause
             * @description To be added to `filter.all`; null for a phrase.
             */
            clause: {
                [key: string]: unknown;
            } | null;
            /**
             * Words
             * @description To be added to `query`; empty for a filter.
             */
            words: string;
        };
        /**
         * SuggestionsAnswer
         * @description Ways to narrow a search, best first.
         */
        SuggestionsAnswer: {
            /** Request Id */
            request_id: string;
            /** Surface */
            surface: string;
            /** Suggestions */
            suggestions: components["schemas"]["Suggestion"][];
            /**
             * Jobs
             * @description Jobs that may be shown and hold a word of the query, before any suggestion.
             */
            jobs: number;
            /**
             * Scored By
             * @description What a score is: `good_match`, the calibrated probability of a good match of the scored jobs that have it, in the mean; `relevance`, the same of a bundle without that calibration, by the logistic of the student's relevance; `share`, the share of the found jobs that have it, where the student says neither.
             * @enum {string}
             */
            scored_by: "good_match" | "relevance" | "share";
            /**
             * Depth
             * @description Candidates that the student scored.
             */
            depth: number;
            /**
             * Understood
             * @description The conditions that were read in the query.
             */
            understood: components["schemas"]["Chip"][];
            /** Bundle Version */
            bundle_version: string;
            /** Index Version */
            index_version: string;
            /** Text Version */
            text_version: string;
            /**
             * Degraded
             * @description Stages that were done without.
             */
            degraded: string[];
            /** Timings Ms */
            timings_ms: {
                [key: string]: number;
            };
        };
        /**
         * SwapReply
         * @description What is served now.
         */
        SwapReply: {
            /** @description By the process that answers. The others of the service load it too, each in about as many seconds more; what each serves /metrics says (`rolecall_jobs`). */
            served: components["schemas"]["Versions"];
            /** @description What was served before. */
            former: components["schemas"]["Versions"];
            /**
             * Changed
             * @description False where it was served already.
             */
            changed: boolean;
            /** Jobs */
            jobs: number;
            /**
             * Seconds
             * @description That loading, checking and warming took.
             */
            seconds: number;
        };
        /**
         * Version
         * @description One that could serve.
         */
        Version: {
            /** Bundle */
            bundle: string;
            /** Index */
            index: string;
            /** Jobs */
            jobs: number;
            /**
             * Made
             * Format: date-time
             */
            made: string;
            /**
             * Served
             * @description By the process that answers.
             */
            served: boolean;
            /**
             * Current
             * @description Named by CURRENT, which all processes follow.
             */
            current: boolean;
        };
        /**
         * Versions
         * @description A bundle and an index that belong together.
         */
        Versions: {
            /** Bundle */
            bundle: string;
            /** Index */
            index: string;
        };
        /**
         * VersionsReply
         * @description What is served, and what could be.
         */
        VersionsReply: {
            served: components["schemas"]["Versions"];
            /** @description What CURRENT names; null where it names nothing whole. */
            current: components["schemas"]["Versions"] | null;
            /**
             * Arms
             * @description Arm of a trial -> its own bundle and index, where it has them.
             */
            arms: {
                [key: string]: string;
            };
            /**
             * Versions
             * @description The newest first.
             */
            versions: components["schemas"]["Version"][];
        };
        /**
         * Wish
         * @description What a request asks of the order; None: as the bundle has it.
         */
        Wish: {
            /**
             * Weight
             * @description Of relevance, beside the blend.
             */
            weight?: number | null;
            /**
             * Floor
             * @description Probability of a good match below which jobs come later; 0: no floor.
             */
            floor?: number | null;
        };
        /**
         * Within
         * @description Holds for a job that has a place in a circle; where a job is that names no town that is known, is not known.
         */
        Within: {
            within: components["schemas"]["Circle"];
            /**
             * Not
             * @default false
             */
            not: boolean;
        };
        /**
         * Posted
         * @description Further jobs of a recent answer.
         * @example {
         *       "request_id": "5f3c...",
         *       "k": 20
         *     }
         */
        Posted: {
            /** Request Id */
            request_id: string;
            /**
             * Member Id
             * @description The answer's own; a page of another member's answer is refused.
             * @default
             */
            member_id: string;
            /**
             * K
             * @default 20
             */
            k: number;
            /**
             * After
             * @description The rank behind which the page begins; null: behind all that was shown. The same page again.
             */
            after?: number | null;
        };
        /**
         * PostedEvent
         * @description An event; what is left out is filled in from the request that `request_id` names, and from the clock.
         *
         *     Where the job stood and how it was shown is always that of the answer; other fields are refused by their name.
         */
        PostedEvent: {
            /** Id */
            id?: string | null;
            /** Time */
            time?: string | null;
            /** Surface */
            surface?: ("search" | "recommendation") | null;
            /** Request Id */
            request_id?: string | null;
            /** Member Id */
            member_id?: string | null;
            /** Query */
            query?: string | null;
            /** Job Id */
            job_id: string;
            /**
             * Action
             * @enum {string}
             */
            action: "impression" | "view" | "apply" | "save" | "dismiss" | "hire" | "shortlist" | "interview" | "offer" | "reject";
            /** Reason */
            reason?: ("wrong_occupation" | "wrong_skills" | "wrong_level" | "too_far" | "wrong_workplace" | "wrong_pay" | "seen_before" | "closed" | "bad_company" | "other") | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    recommend_v1_recommend_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RecommendRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Answer"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    search_v1_search_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SearchRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Answer"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    similar_v1_similar_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SimilarRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Answer"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description No job here has this id. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    surface_v1_surfaces__name__post: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AnyRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShapedAnswer"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description No surface has this name, or no job the id. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    suggestions_v1_suggestions_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SearchRequest"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SuggestionsAnswer"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    next_jobs_v1_next_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Posted"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShapedPage"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The answer is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description No such recent answer. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rerank_v1_rerank_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Posted"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RerankAnswer"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    candidates_v1_candidates_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Posted"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CandidatesAnswer"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description No job here has this id. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    explain_v1_explain__request_id___job_id__get: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                request_id: string;
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExplainReply"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description No such recent answer. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    events_v1_events_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example [
                 *       {
                 *         "request_id": "5f3c...",
                 *         "job_id": "j0000007",
                 *         "action": "apply"
                 *       }
                 *     ]
                 */
                "application/json": components["schemas"]["PostedEvent"] | unknown[];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventsReply"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    healthz_healthz_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        [key: string]: string;
                    };
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readyz_readyz_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        [key: string]: string | number | {
                            [key: string]: string;
                        };
                    };
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    metrics_metrics_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    erase_v1_members__member_id__delete: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                member_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EraseReply"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    versions_v1_admin_versions_get: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VersionsReply"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    swap_v1_admin_swap_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Posted"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SwapReply"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description No such version could serve. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Refused, and what was served before still is; `reason` says why. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rollback_v1_admin_rollback_post: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Posted"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SwapReply"];
                };
            };
            /** @description The body is not JSON, or the filter names an unknown attribute. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A key is needed, or a member's token does not hold. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key lacks the scope, or the token is another member's. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description No such version could serve. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Refused, and what was served before still is; `reason` says why. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description A value is out of its bounds; `field` names it. */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Not ready, or not answered within the deadline; `message` says why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
