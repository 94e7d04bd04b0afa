// Package storetest is what every engine of the store must do, as tests. An engine's own
// test calls Run; what only that engine can show (its files, its crashes) stays there.
//
// Start reading at Run; fixtures.go makes the people, codes and grants.
package storetest

import (
	"testing"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Open opens the store at place, which names a database that is the same for the same
// place; it is closed when the test ends.
type Open func(t testing.TB, place string) *store.DB

// Run runs the suite, each test on a store of its own.
func Run(t *testing.T, open Open) {
	tests := []struct {
		name string
		run  func(*testing.T, *store.DB)
	}{
		{"AnAccountIsFoundByIDAndAddress", accountIsFound},
		{"AnAddressBelongsToOneAccount", addressIsUnique},
		{"WhatWasUnderWayAtAResetDoesNotUndoIt", underWayAtAReset},
		{"ChangingAnUnknownAccountIsNotFound", unknownAccount},
		{"APasswordIsReplaced", passwordIsReplaced},
		{"DisablingEndsSessionsGrantsAndApprovals", disablingEndsEverything},
		{"ADisabledAccountGetsNothingNew", disabledGetsNothing},
		{"OfAccountsCreatedTogetherAllOrNone", createdTogether},
		{"DeletingForgetsThePersonAndEndsEverything", deletingForgets},
		{"ADeletedAccountIsNeverUsedAgain", deletedIsNeverUsed},
		{"AFreedAddressInheritsNothing", freedAddress},
		{"ASessionIsKeptTouchedAndEnded", sessionLife},
		{"ARenewedSessionGoesOnUnderAnotherIdentifier", renewedSessionGoesOn},
		{"EndingASessionRevokesItsGrantsOnly", endingSessionRevokes},
		{"SessionsOfAPersonAreListedAndEnded", sessionsOfAPerson},
		{"EventsAreFoundByWhatIsAsked", eventsAreFound},
		{"AReaderOfEventsGoesOnWhereItWas", readerGoesOn},
		{"OldEventsGoAndThoseUnreadStayAWhile", oldEventsGo},
		{"WhoWantsToKnowIsToldOfTheEndOfASession", endingASessionIsTold},
		{"ASessionRemembersEachWayItWasProven", signInsOfASession},
		{"ASessionRemembersHowLongItWasUnused", sessionIdleness},
		{"SomebodyIsToldOfTheSecondFactorOnce", toldOnce},
		{"IdentitiesOfTwoProvidersAreTwoPeople", identitiesAreApart},
		{"AnIdentityKeepsWhatItsProviderSaysNow", identityIsUpdated},
		{"WhatASharedAccountShowsIsNotForOneProvider", sharedAccountShowsWhatItShowed},
		{"AnIdentityThatIsTakenAwayEndsWhatItOpened", unlinkedIdentityEndsWhatItOpened},
		{"TheLastWayIntoAnAccountStays", lastWayInStays},
		{"AnIdentityThatItsProviderLostIsWorthNothing", lostIdentityIsWorthNothing},
		{"AClaimThatNobodyProvedGivesWay", unprovenClaimGivesWay},
		{"DeletingForgetsIdentities", deletingForgetsIdentities},
		{"AnInvitationCountsOnce", invitationsCountOnce},
		{"InvitationsAreReadPageByPage", invitationsAreRead},
		{"WhoMayBeAMemberIsFoundPageByPage", maybeMembersAreFound},
		{"OfAProviderAPageReadsSoManyAndGoesOn", manyIdentitiesAreRead},
		{"WhoIsNoMemberAnyMoreLosesWhatWasOpenedThere", removedMemberLoses},
		{"AFactorIsAddedRenamedAndRemovedByItsOwner", factorLife},
		{"AStepOfAFactorCountsOnce", stepCountsOnce},
		{"ARecoveryCodeCountsOnce", recoveryCodeCountsOnce},
		{"AKeyIsKeptAndItsCredentialIsUnique", keyIsKept},
		{"AKeyCountsOnAndAnswersAChallengeOnce", keyCountsOn},
		{"AKeyWhoseCounterGoesBackIsBlocked", copiedKeyIsBlocked},
		{"TheSweepTakesChallengesThatNobodyTakesAnyMore", sweepTakesChallenges},
		{"NoSessionBeginsWithoutTheSecondFactorOfItsPerson", noSessionWithoutSecondFactor},
		{"ResettingFactorsEndsEverySession", resettingFactors},
		{"DeletingForgetsFactors", deletingForgetsFactors},
		{"AUserCodeIsUniqueWhileItLives", userCodeIsUnique},
		{"ADeviceCodeKeepsWhatItWasMadeWith", deviceCodeIsKept},
		{"ADeviceCodeMovesOnlyForward", deviceCodeMovesForward},
		{"AnExpiredDeviceCodeMovesNowhere", expiredDeviceCode},
		{"ADeviceCodeIsConsumedByItsApplicationForWhoApproved", consumeIsBound},
		{"AFailedConsumptionLeavesNoTrace", failedConsumption},
		{"OfManyConsumptionsOneSucceeds", manyConsumptions},
		{"AnAuthorizationCodeKeepsWhatItWasMadeWith", codeIsKept},
		{"AnApprovalGivesOneCode", approvalIsUsedOnce},
		{"OfManyApprovalsOfOneFormOneSucceeds", manyApprovals},
		{"ACodeNeedsASessionInForceOfThePerson", codeNeedsSession},
		{"ADisabledAccountGetsNoCodeAndRedeemsNone", disabledGetsNoCode},
		{"ACodeIsRedeemedByItsApplicationForWhoApproved", redemptionIsBound},
		{"AnExpiredCodeIsNotRedeemed", expiredCode},
		{"ABurnedCodeIsNotRedeemed", burnedCode},
		{"BurningARedeemedCodeKeepsItsGrant", burnRedeemed},
		{"ACodeEndsWithItsSession", codeEndsWithSession},
		{"ACodeEndsWithTheSessionsAbsoluteLimit", codeEndsWithSessionLimit},
		{"AFailedRedemptionLeavesNoTrace", failedRedemption},
		{"OfManyRedemptionsOneSucceeds", manyRedemptions},
		{"NoGrantOutlivesASessionThatEndsDuringRedemption", sessionEndsDuringRedemption},
		{"TheSweepKeepsCodesForADay", sweepKeepsCodes},
		{"AConsentIsRememberedWithTheCodeOrNotAtAll", consentWithCode},
		{"ANewConsentReplacesTheOld", consentIsReplaced},
		{"RevokingAConsentRevokesItsGrantsAndCodesOnly", revokingConsent},
		{"RevokingIsForGrantsWithoutAConsentToo", revokingWithoutConsent},
		{"TheSweepTakesConsentsThatHaveExpired", sweepTakesConsents},
		{"DisablingEndsCodesAndKeepsConsents", disablingEndsCodes},
		{"DeletingForgetsCodesAndConsents", deletingForgetsCodes},
		{"AnAssertionIsUsedOnce", assertionIsUsedOnce},
		{"TheSweepTakesAssertionsThatNobodyTakesAnyMore", sweepTakesAssertions},
		{"OfManyRotationsOneSucceeds", manyRotations},
		{"AGrantRotatesOnlyWhileItIsInForce", rotationNeedsForce},
		{"RevokingAGrantTwiceWritesOnce", revokeTwice},
		{"ARevokedTokenIsListedUntilItExpires", revocations},
		{"EventsComeNewestFirst", eventsNewestFirst},
		{"ObjectsThatGoAreRemembered", objectsAreRemembered},
		{"AnObjectIsFoundByItsUID", objectIsFound},
		{"ObjectsOfANamespaceAreFoundWhileTheyExist", objectsOfNamespaces},
		{"UnchangedObjectsWriteNothing", unchangedObjects},
		{"AnAdoptionIsRememberedWithItsEvent", adoptionIsRemembered},
		{"AnAdoptionNeedsBothObjectsAsTheyAre", adoptionNeedsBothAsTheyAre},
		{"TheOrganizationOfAnApplicationIsRemembered", organizationOfAnApplication},
		{"WhatIsBoundToObjectsIsWhatIsInForce", boundIsWhatIsInForce},
		{"KeysAreRemembered", keysAreRemembered},
		{"PasswordPolicyIsRemembered", passwordPolicyIsRemembered},
		{"ThrottlesAreChangedTogetherOrNotAtAll", throttlesChange},
		{"OfManyTriesAtOnceEachSeesThoseBefore", manyTries},
		{"UnlockingForgetsWhatAnAccountCounts", unlocking},
		{"TheSweepTakesThrottlesThatSayNothing", sweepTakesThrottles},
		{"PlacesOfAnAccountAreBoundedAndEnd", placesEnd},
		{"AMailedLinkWorksOnceForWhatItWasMade", mailLinkOnce},
		{"AnAddressIsChangedWithItsProof", addressChanges},
		{"ALinkMakesOneAccount", linkRegisters},
		{"LinksOfAnAccountEndWithWhatItOpened", linksEnd},
		{"TheSweepTakesOnlyWhatHasExpired", sweepTakesExpired},
		{"AnEndedContextIsUnavailable", endedContext},
		{"AClosedStoreIsUnavailable", closedStore},
		{"ACacheSeesItsOwnWritesAtOnce", cacheSeesOwnWrites},
		{"ReadersAndWritersDoNotWaitForEachOther", readersAndWriters},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t, t.TempDir())) })
	}
	t.Run("ACacheSeesTheWritesOfOthers", func(t *testing.T) { cacheSeesOthers(t, open) })
	t.Run("OfManyRedemptionsOnTwoReplicasOneSucceeds", func(t *testing.T) { redeemedElsewhere(t, open) })
	t.Run("OfManyUsesOfAnAssertionOnTwoReplicasOneSucceeds", func(t *testing.T) { assertionUsedElsewhere(t, open) })
	t.Run("TriesOnTwoReplicasAreCountedTogether", func(t *testing.T) { triesElsewhere(t, open) })
	t.Run("ACodeOnTwoReplicasCountsOnce", func(t *testing.T) { stepElsewhere(t, open) })
	t.Run("OfManyAnswersOfAKeyOnTwoReplicasOneSucceeds", func(t *testing.T) { keyElsewhere(t, open) })
	t.Run("WhatWasWrittenIsThereAfterOpeningAgain", func(t *testing.T) { reopened(t, open) })
	t.Run("ManyMayOpenANewStoreAtOnce", func(t *testing.T) { openedAtOnce(t, open) })
}
